"""A folder as artifact store: every file whole or not there, and nothing outside of the folder within reach."""

from __future__ import annotations

import errno
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from rota.errors import NotFound, StoreError, StoreFull
from rota.extensions import ArtifactStore

_PART = re.compile(r"[A-Za-z0-9_\-][A-Za-z0-9._\-]{0,199}")
_MARKER = "rota-database-id"
_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW
_BUFFER = 1 << 18


class Folder(ArtifactStore):
    """Keep artifacts in a folder.

    Example:
        artifacts: {type: folder, path: /var/lib/rota/artifacts}
    """

    path: Path
    """The folder. With PostgreSQL it must be the same one for all servers."""

    @contextmanager
    def writer(self, key: str) -> Iterator[IO[bytes]]:
        """Open `key` for writing; it exists, whole and on disk, once the block ends without an exception."""
        *folders, name = _parts(key)
        with self._translated():
            folder = self._opened(folders, create=True)
        try:
            with self._translated():
                new = f".{secrets.token_hex(8)}"
                file = os.fdopen(os.open(new, _NEW, 0o600, dir_fd=folder), "wb", _BUFFER)
            try:
                yield file
                with self._translated():
                    file.flush()
                    os.fsync(file.fileno())
                    os.rename(new, name, src_dir_fd=folder, dst_dir_fd=folder)
                    os.fsync(folder)
            except BaseException:
                with suppress(OSError):
                    os.unlink(new, dir_fd=folder)
                raise
            finally:
                with suppress(OSError):
                    file.close()
        finally:
            os.close(folder)

    def open(self, key: str) -> IO[bytes]:
        """Open `key` for reading. Raises NotFound."""
        *folders, name = _parts(key)
        try:
            folder = self._opened(folders)
            try:
                return os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder), "rb", _BUFFER)
            finally:
                os.close(folder)
        except OSError as error:
            raise NotFound(f"there is no artifact `{key}` in `{self.path}`") from error

    def delete(self, key: str) -> None:
        """Remove `key`, and the folders above that it leaves empty."""
        *folders, name = _parts(key)
        with suppress(OSError):
            folder = self._opened(folders)
            try:
                os.unlink(name, dir_fd=folder)
            finally:
                os.close(folder)
            for depth in range(len(folders), 1, -1):
                self.path.joinpath(*folders[:depth]).rmdir()

    def claim(self, database_id: str, *, shared: bool) -> None:
        """Make sure that this folder belongs to the database.

        A folder that belongs to none is marked, unless it is `shared` and others have artifacts already: then a folder
        without the mark is not the one they use. Raises StoreError.
        """
        with self._translated():
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            marker = self.path / _MARKER
            if not marker.exists() and not shared:
                _write_new(marker, database_id)
            found = marker.read_text().strip() if marker.exists() else ""
        if found != database_id:
            whose = "belongs to another database" if found else "is not the folder that the other servers use"
            hint = "name a folder of this database's own, shared by all its servers, in the setting `artifacts`"
            raise StoreError(f"the artifacts folder `{self.path}` {whose}", hint=hint)

    def _opened(self, folders: list[str], *, create: bool = False) -> int:
        """Open a folder below the root step by step, so that no link on the way is followed."""
        if create:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            for name in folders:
                if create:
                    with suppress(FileExistsError):
                        os.mkdir(name, 0o700, dir_fd=descriptor)
                inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
                hint = "make room on the disk, or run `rota purge`"
                raise StoreFull(f"there is no room in the artifacts folder `{self.path}`", hint=hint) from error
            hint = "look at the setting `artifacts` and the permissions of the folder"
            message = f"the artifacts folder `{self.path}` cannot be used: {error.strerror}"
            raise StoreError(message, hint=hint) from error


def _parts(key: str) -> list[str]:
    parts = key.split("/")
    if not all(_PART.fullmatch(part) for part in parts):
        raise NotFound(f"`{key}` is no key of an artifact")
    return parts


def _write_new(path: Path, text: str) -> None:
    with suppress(FileExistsError), os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(text + "\n")
