"""Trigger `ssh.file_appeared`: files that come to a folder of a host."""

from __future__ import annotations

import posixpath
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator

from rota import Context, Duration, Event, Trigger
from rota_ssh.connection import connection_to
from rota_ssh.connection_fields import HostFields
from rota_ssh.download import matches
from rota_ssh.endpoint import endpoint_of
from rota_ssh.remote_files import Found, RemoteFiles


def _is_one_folder(path: str) -> str:
    folder, name = posixpath.split(path)
    if not name:
        raise ValueError(f"`{path}` names no files; for all of the folder write `{path}*`")
    if "*" in folder or "?" in folder:
        raise ValueError(
            f"only the name may have `*` and `?`, and the folder is `{folder}`; one trigger looks into one folder"
        )
    return path


class FileAppeared(HostFields, Trigger):
    """Start a flow for each file that comes to a folder of a host, or that is written anew.

    `trigger.event` has `host`, `path`, `name`, `size` (bytes) and `modified`; `trigger.date` is when the file was
    changed. A file counts once nobody has written to it for a while.

    Example:
        - id: statement
          type: ssh.file_appeared
          host: files.internal
          user: flows
          private_key: "{{ secret('ssh/flows#private_key') }}"
          path: /incoming/*.csv
          interval: 1m
    """

    path: Annotated[str, AfterValidator(_is_one_folder)]
    """The files to look for: a folder, and a name that may have `*`, `?` and `[…]`."""
    stable_for: Duration = timedelta(seconds=10)
    """How long a file must stay as it is, size and date, before it counts."""
    include_existing: bool = False
    """Whether the files that are there when the trigger looks for the first time count too."""

    def poll(self, ctx: Context) -> Iterable[Event]:
        with connection_to(ctx, endpoint_of(self)) as connection:
            files = RemoteFiles(ctx, connection)
            folder, pattern = posixpath.split(files.absolute(self.path))
            present = list(matches(files, folder, pattern))
        return self._new(ctx, present)

    def _new(self, ctx: Context, present: list[Found]) -> list[Event]:
        """Return events for what is new and stable. The state: per path its size and date, and since when those."""
        now = time.time()
        known: dict[str, list[Any]] = ctx.state.get("files", {})
        first = "files" not in ctx.state
        events, state = [], {}
        for file in present:
            size, modified, since, told = known.get(file.path, [None, None, now, False])
            if [size, modified] != [file.size, file.modified]:
                since, told = now, first and not self.include_existing
            if not told and now - since >= self.stable_for.total_seconds():
                events.append(self._event(file))
                told = True
            state[file.path] = [file.size, file.modified, since, told]
        ctx.state["files"] = state
        return events

    def _event(self, file: Found) -> Event:
        modified = datetime.fromtimestamp(file.modified, UTC)
        data = {
            "host": self.host,
            "path": file.path,
            "name": posixpath.basename(file.path),
            "size": file.size,
            "modified": modified.isoformat(),
        }
        return Event(f"{self.host}:{file.path}:{file.modified}:{file.size}", data, modified)
