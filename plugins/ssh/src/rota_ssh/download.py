"""Task type `ssh.download`: files and folders of a host, as artifacts."""

from __future__ import annotations

import posixpath
import stat
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from rota import Artifact, Context, Task, TaskFailed
from rota_ssh.checksums import checksums
from rota_ssh.connection import connection_to
from rota_ssh.connection_fields import HostFields
from rota_ssh.endpoint import endpoint_of
from rota_ssh.remote_files import Found, RemoteFiles, found

_STEP = 1 << 20
"""After how many bytes it says how far it is."""


class Downloaded(BaseModel):
    """What was stored."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    artifact: Artifact | None
    """The file, where `path` named one; null for a folder or a pattern."""
    files: dict[str, Artifact]
    """Every file, by its path in the folder."""
    size: int
    """How many bytes were stored."""


class Download(HostFields, Task):
    """Store a file of a host, or the files of a folder, as artifacts.

    Example:
        - id: configuration
          type: ssh.download
          host: db-17.internal
          user: admin
          private_key: "{{ secret('ssh/admin#private_key') }}"
          path: /etc/mongod.conf
    """

    idempotent: ClassVar[bool] = True

    path: str = Field(min_length=1)
    """A file, a folder (with everything in it, but without links), or a pattern such as `/var/log/app-*.gz` whose last
    part may have `*`, `?` and `[…]`. A relative one, and `~/`, is from where the login leads."""
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-fA-F]{64}$")
    """The checksum that the file must have."""
    checksum: bool = True
    """Have the host compute the checksum of what it has sent, and compare."""
    max_files: int = Field(default=1000, ge=1, le=10_000)
    """Fail, before anything is stored, where there are more files than this."""

    def run(self, ctx: Context) -> Downloaded:
        with connection_to(ctx, endpoint_of(self)) as connection:
            files = RemoteFiles(ctx, connection)
            path = files.absolute(self.path)
            folder, wanted = self._wanted(files, path, connection.endpoint.address)
            if not wanted:
                ctx.log.warning(f"there is no file in `{path}` on {connection.endpoint.address}")
            total = sum(file.size for file in wanted)
            stored: dict[str, Artifact] = {}
            for file in wanted:
                name = posixpath.relpath(file.path, folder)
                done = sum(artifact.size for artifact in stored.values())
                stored[name] = self._store(ctx, files, file, name, done, total)
            if self.checksum:
                _compare(checksums(ctx, connection, files, wanted), wanted, list(stored.values()))
            single = next(iter(stored.values())) if [file.path for file in wanted] == [path] else None
            self._check(path, single)
            size = sum(artifact.size for artifact in stored.values())
            ctx.log.info(f"{len(stored)} file(s), {size} bytes, of {path} on {connection.endpoint.address} are stored")
            return Downloaded(artifact=single, files=stored, size=size)

    def _wanted(self, files: RemoteFiles, path: str, address: str) -> tuple[str, list[Found]]:
        """Return the folder to which names are relative, and the files."""
        there = files.find(path)
        if there is not None and not stat.S_ISDIR(there.st_mode or 0):
            return posixpath.dirname(path), [found(path, there)]
        if there is not None:
            return path, self._limited(files.tree(path), path)
        folder, pattern = posixpath.split(path)
        if any(char in pattern for char in "*?["):
            return folder, self._limited(matches(files, folder, pattern), path)
        raise TaskFailed(f"`{address}` has no `{path}`", retryable=False)

    def _limited(self, every: Iterator[Found], path: str) -> list[Found]:
        wanted: list[Found] = []
        for file in every:
            wanted.append(file)
            if len(wanted) > self.max_files:
                raise TaskFailed(
                    f"there are more than {self.max_files} files in `{path}`", retryable=False, hint="see `max_files`"
                )
        return wanted

    def _store(self, ctx: Context, files: RemoteFiles, file: Found, name: str, done: int, total: int) -> Artifact:
        told = done
        with ctx.artifacts.writer(name) as writer:
            for data in files.read(file):
                writer.write(data)
                done += len(data)
                if done - told >= _STEP:
                    ctx.progress(done, total)
                    told = done
        return writer.artifact

    def _check(self, path: str, single: Artifact | None) -> None:
        if self.sha256 is None:
            return
        if single is None:
            raise TaskFailed(f"`sha256` is for a single file, and `{path}` is none", retryable=False)
        if single.sha256 != self.sha256.lower():
            raise TaskFailed(f"`{path}` has the checksum {single.sha256}, not that of `sha256`", retryable=False)


def matches(files: RemoteFiles, folder: str, pattern: str) -> Iterator[Found]:
    """Yield the files of a folder whose names match. Raises TaskFailed."""
    for entry in files.entries(folder):
        if stat.S_ISREG(entry.st_mode or 0) and fnmatchcase(entry.filename, pattern):
            yield found(posixpath.join(folder, entry.filename), entry)


def _compare(sums: list[str], wanted: list[Found], stored: list[Artifact]) -> None:
    for digest, file, artifact in zip(sums, wanted, stored, strict=True):
        if digest != artifact.sha256:
            raise TaskFailed(f"`{file.path}` was changed while it was read", hint="`checksum: false` takes it as it is")
