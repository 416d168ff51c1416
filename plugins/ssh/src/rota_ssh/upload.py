"""Task type `ssh.upload`: files and folders to a host."""

from __future__ import annotations

import io
import posixpath
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Annotated, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from rota import Artifact, Context, Task, TaskFailed
from rota_ssh.checksums import checksums
from rota_ssh.connection import Connection, connection_to
from rota_ssh.connection_fields import HostFields
from rota_ssh.endpoint import endpoint_of
from rota_ssh.remote_files import Found, RemoteFiles, Written


def _octal(mode: str) -> str:
    if not re.fullmatch("[0-7]{3,4}", mode):
        raise ValueError('permissions are three or four octal digits: `"0640"`')
    return mode


# A number would not say what is meant: YAML reads `0640` as 640 and `0o640` as 416.
Mode = Annotated[str, AfterValidator(_octal)]


class Uploaded(BaseModel):
    """What was written on the host."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    path: str
    """The path on the host, from the root."""
    files: int
    """How many files were written."""
    size: int
    """How many bytes that were."""
    sha256: str | None
    """The checksum of the file; null for a folder."""


class Upload(HostFields, Task):
    """Bring a file or a folder to a host.

    A file appears under its name when it is there whole and its checksum is right; until then it has another
    name and nobody else can read it.

    Example:
        - id: configure
          type: ssh.upload
          host: db-17.internal
          user: admin
          private_key: "{{ secret('ssh/admin#private_key') }}"
          source: mongod.conf
          path: /etc/mongod.conf
          mode: "0640"
    """

    idempotent: ClassVar[bool] = True

    source: Artifact | str | None = None
    """An artifact, or the path of a file or folder in the work folder."""
    content: str | SecretStr | None = Field(default=None, repr=False)
    """Text to write, instead of a `source`."""
    path: str = Field(min_length=1)
    """Where to: the path of the file (with `/` at its end that of the folder it goes into), or of the folder that gets
    what is in the source folder. A relative one, and `~/`, is from where the login leads."""
    mode: Mode | None = None
    """The permissions of the file, in octal: `"0640"`. Default: those of the file that is replaced, else what the host
    gives new files; programs stay executable."""
    make_folders: bool = True
    """Make folders that are missing."""
    checksum: bool = True
    """Have the host compute the checksum of what it has got, and compare."""

    @model_validator(mode="after")
    def _has_one_source(self) -> Upload:
        if (self.source is None) == (self.content is None):
            raise ValueError("`ssh.upload` has either `source` or `content`")
        return self

    def run(self, ctx: Context) -> Uploaded:
        local = ctx.in_workdir(self.source) if isinstance(self.source, str) else None
        if local is not None and not local.exists():
            raise TaskFailed(f"there is no `{self.source}` in the work folder", retryable=False)
        with connection_to(ctx, endpoint_of(self)) as connection:
            files = RemoteFiles(ctx, connection)
            path = files.absolute(self.path)
            if local is not None and local.is_dir():
                return self._finish(ctx, connection, files, path, list(_tree(local, path)), folder=True)
            if self.path.endswith("/"):
                path = posixpath.join(path, self._name(local))
            return self._finish(ctx, connection, files, path, [(local, path)], folder=False)

    def _name(self, local: Path | None) -> str:
        if isinstance(self.source, Artifact):
            return posixpath.basename(self.source.name)
        if local is None:
            raise TaskFailed("`content` has no name: `path` must not end with `/`", retryable=False)
        return local.name

    def _finish(
        self,
        ctx: Context,
        connection: Connection,
        files: RemoteFiles,
        path: str,
        wanted: list[tuple[Path | None, str]],
        *,
        folder: bool,
    ) -> Uploaded:
        written: list[Written] = []
        try:
            for local, target in wanted:
                self._make_folder(files, target)
                written.append(self._write(ctx, files, local, target))
            if self.checksum:
                _compare(ctx, connection, files, written)
            for one in written:
                files.rename(one)
        except BaseException:
            files.remove([one.part for one in written])
            raise
        if folder and not written and self.make_folders:
            files.make_folder(path)
        size = sum(one.size for one in written)
        ctx.log.info(f"{len(written)} file(s), {size} bytes, are at {path} on {connection.endpoint.address}")
        return Uploaded(path=path, files=len(written), size=size, sha256=None if folder else written[0].sha256)

    def _make_folder(self, files: RemoteFiles, target: str) -> None:
        if self.make_folders:
            files.make_folder(posixpath.dirname(target))

    def _write(self, ctx: Context, files: RemoteFiles, local: Path | None, target: str) -> Written:
        done = 0
        mode = int(self.mode, 8) if self.mode else None
        if mode is None and local is not None and local.stat().st_mode & stat.S_IXUSR:
            mode = 0o755
        with self._open(ctx, local) as source:

            def told(count: int) -> None:
                nonlocal done
                done += count
                ctx.progress(done, local.stat().st_size if local is not None else None)

            return files.write(target, source, mode, told)

    def _open(self, ctx: Context, local: Path | None) -> IO[bytes]:
        if local is not None:
            return local.open("rb")
        if self.content is not None:
            text = self.content if isinstance(self.content, str) else self.content.get_secret_value()
            return io.BytesIO(text.encode())
        assert isinstance(self.source, Artifact)
        return ctx.artifacts.open(self.source)


def _tree(folder: Path, target: str) -> Iterator[tuple[Path | None, str]]:
    """Yield each file of a folder with its path on the host; links that lead out of the folder are left out."""
    top = folder.resolve()
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder)
        if path.is_file() and inner.parts[0] != ".rota" and path.resolve().is_relative_to(top):
            yield path, posixpath.join(target, inner.as_posix())


def _compare(ctx: Context, connection: Connection, files: RemoteFiles, written: list[Written]) -> None:
    sums = checksums(ctx, connection, files, [Found(one.part, one.size, 0) for one in written])
    for one, digest in zip(written, sums, strict=True):
        if digest != one.sha256:
            raise TaskFailed(f"`{one.path}` on `{connection.endpoint.address}` has another checksum than what was sent")
