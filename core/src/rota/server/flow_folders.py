"""Watches the folders of the setting `flows`: what changes there is checked and deployed, what is wrong is refused.

It looks at names, sizes and times every few seconds rather than asking the kernel to be told: that works on every file
system, over NFS and where git-sync swaps a link, and a thousand files cost a few milliseconds.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from rota.errors import FlowError, NotFound, RotaError, StoreError
from rota.server.flow_files import examine, flow_files, read_flow
from rota.server.roles import Role

if TYPE_CHECKING:
    from rota.server.application import Application

logger = logging.getLogger("rota.server")
EVERY = 3.0
"""Seconds between two looks."""
AGAIN = 60.0
"""Seconds between two looks at files that were refused and have not changed."""
ROLE = "flows"
AUTHOR = "flows folder"
SUBJECT = "flow file "
"""What an alert about a file is about begins so."""

Seen = dict[str, tuple[int, int, int]]


class FlowFolders:
    """Deploys what changes, on one server at a time. The last good revision of a flow stays in force."""

    name = "flows"

    def __init__(self, app: Application) -> None:
        self._app = app
        self._role = Role(app.conductor(), ROLE)
        self._seen: Seen | None = None
        self._refused: dict[str, str] = {}
        self._again_at = 0.0

    def run(self, stop: threading.Event) -> None:
        """Look until `stop` is set."""
        while not stop.is_set():
            self.look()
            stop.wait(EVERY)

    def look(self) -> None:
        """Deploy what has changed since the last look; at the first, everything. Raises StoreError.

        What was refused is looked at again now and then: what it lacked, a subflow or a plugin, may have come since.
        """
        if not self._role.holds():
            return
        seen = dict(_files(self._app.settings.flows))
        changed = seen != self._seen
        if not changed and not (self._refused and time.monotonic() >= self._again_at):
            return
        if self._seen is None:
            self._refused = dict.fromkeys(self._refused_before(), "")
        files = list(dict.fromkeys(self._flow_files()))
        for path in files:
            if changed or str(path) in self._refused:
                self._deploy(path, files)
        for gone in self._refused.keys() - {str(path) for path in files}:
            self._is_well(gone)
        self._seen, self._again_at = seen, time.monotonic() + AGAIN

    def _flow_files(self) -> Iterator[Path]:
        for path in self._app.settings.flows:
            try:
                yield from flow_files(self._app, [path])
            except NotFound as error:
                logger.warning("%s", error)

    def _refused_before(self) -> Iterator[str]:
        """Yield the files that the server before, or this one before it read its settings anew, has refused."""
        for row in self._app.alerts.conditions():
            if row["kind"] == "server" and row["subject"].startswith(SUBJECT):
                yield row["subject"].removeprefix(SUBJECT)

    def _deploy(self, path: Path, files: list[Path]) -> None:
        app = self._app
        try:
            loaded = read_flow(app, path)
            wrong = [one for one in examine(app, loaded, files=files) if one.severity == "error"]
            if wrong:
                raise FlowError(wrong)
            done = app.flows.deploy(loaded, author=AUTHOR)
        except StoreError:
            raise
        except RotaError as error:
            self._refuse(path, str(error))
            return
        name = f"{loaded.flow.namespace or 'default'}/{loaded.flow.id}"
        if done.changed:
            logger.info("deployed %s revision %d from %s", name, done.number, path)
        self._is_well(str(path))

    def _refuse(self, path: Path, why: str) -> None:
        if self._refused.get(str(path)) == why:
            return
        self._refused[str(path)] = why
        logger.error("%s is not deployed, what was deployed before stays in force:\n%s", path, why)
        self._app.alerts.raise_("server", _subject(str(path)), f"{path} is not deployed: it does not check\n{why}")

    def _is_well(self, path: str) -> None:
        if self._refused.pop(path, None) is not None:
            logger.info("%s is well again", path)
            self._app.alerts.clear("server", _subject(path))


def _subject(path: str) -> str:
    return SUBJECT + path


def _files(paths: list[Path]) -> Iterator[tuple[str, tuple[int, int, int]]]:
    """Yield every file in folders, hidden ones apart, with what changes when it does."""
    for path in paths:
        inside = path.rglob("*") if path.is_dir() else [path]
        for file in inside:
            if any(part.startswith(".") and part not in (".", "..") for part in file.parts[len(path.parts) :]):
                continue
            try:
                stat = file.stat()
            except OSError:
                continue
            yield str(file), (stat.st_mtime_ns, stat.st_size, stat.st_ino)
