"""Files on a host by SFTP: written whole or not at all, read and written in constant memory."""

from __future__ import annotations

import errno
import hashlib
import posixpath
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from rota import Context, TaskFailed
from rota_ssh.connection import Connection
from rota_ssh.failures import broken, late, lost
from rota_ssh.giving_up import give_up
from rota_ssh.pipelined import read_blocks

if TYPE_CHECKING:
    from paramiko import SFTPAttributes, SFTPClient

BLOCK = 1 << 18


@dataclass(frozen=True, slots=True)
class Found:
    """A file of a host: its path, its size in bytes, and when it was changed, in Unix seconds."""

    path: str
    size: int
    modified: int


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was written under a name of its own, and is to get its real one."""

    part: str
    path: str
    mode: int
    size: int
    sha256: str


class RemoteFiles:
    """The files of a host, for one task. Cancelling the task breaks off what is under way."""

    def __init__(self, ctx: Context, connection: Connection) -> None:
        self._ctx, self._connection = ctx, connection
        self._sftp: SFTPClient = connection.sftp()
        ctx.on_cancel(self._give_up)

    def _give_up(self) -> None:
        channel = self._sftp.get_channel()
        if channel is not None:
            give_up(channel.close)

    @contextmanager
    def _doing(self, what: str, path: str) -> Iterator[None]:
        import paramiko

        endpoint = self._connection.endpoint
        try:
            yield
        except TaskFailed:
            raise
        except (OSError, EOFError, paramiko.SSHException) as error:
            if self._ctx.cancelled.is_set():
                raise TaskFailed("it was cancelled") from None
            alive = self._connection.alive
            if alive and isinstance(error, TimeoutError):
                raise late(endpoint, f"{what} `{path}`") from TimeoutError()
            if not alive or not isinstance(error, OSError) or "closed" in str(error).lower():
                raise lost(endpoint, error, f"{what} `{path}`") from broken(error)
            raise _refused(endpoint.address, what, path, error) from None

    def absolute(self, path: str) -> str:
        """Return `path` from the root; a relative one, and `~/`, is from where the login leads. Raises TaskFailed.

        SFTP takes `~` for a name like any other, as nobody means it.
        """
        if path.startswith("/"):
            return posixpath.normpath(path)
        if path.startswith("~"):
            user, _, path = path[1:].partition("/")
            if user:
                raise TaskFailed(
                    f"`~{user}` is not known here", retryable=False, hint="write the path from the root, or `./~…`"
                )
        with self._doing("reading", path):
            return posixpath.normpath(posixpath.join(self._sftp.normalize("."), path))

    def find(self, path: str) -> SFTPAttributes | None:
        """Return what is at `path`, links followed, or None. Raises TaskFailed."""
        with self._doing("reading", path):
            try:
                return self._sftp.stat(path)
            except OSError as error:
                if error.errno == errno.ENOENT:
                    return None
                raise

    def entries(self, folder: str) -> list[SFTPAttributes]:
        """Return what is in a folder, by name; links are not followed. Raises TaskFailed."""
        with self._doing("listing", folder):
            return sorted(self._sftp.listdir_attr(folder), key=lambda entry: entry.filename)

    def tree(self, folder: str) -> Iterator[Found]:
        """Yield the files in a folder and the folders in it; links are left out. Raises TaskFailed."""
        for entry in self.entries(folder):
            path = posixpath.join(folder, entry.filename)
            if stat.S_ISDIR(entry.st_mode or 0):
                yield from self.tree(path)
            elif stat.S_ISREG(entry.st_mode or 0):
                yield found(path, entry)

    def make_folder(self, folder: str) -> None:
        """Make a folder, and those that lead to it. Raises TaskFailed."""
        there = self.find(folder)
        if there is not None and stat.S_ISDIR(there.st_mode or 0):
            return
        if posixpath.dirname(folder) != folder:
            self.make_folder(posixpath.dirname(folder))
        with self._doing("making the folder", folder):
            try:
                self._sftp.mkdir(folder)
            except OSError:
                if self.find(folder) is None:  # otherwise somebody else was faster
                    raise

    def write(self, path: str, source: IO[bytes], mode: int | None, told: Callable[[int], object]) -> Written:
        """Write what `source` has beside `path`; `rename` gives it that name. Raises TaskFailed.

        Nobody else can read it before that. `told` is called with the number of bytes of each block.
        """
        there = self.find(path)
        if there is not None and stat.S_ISDIR(there.st_mode or 0):
            raise TaskFailed(f"`{path}` on `{self._connection.endpoint.address}` is a folder", retryable=False)
        part = posixpath.join(posixpath.dirname(path), f".{posixpath.basename(path)[:200]}.rota-{secrets.token_hex(4)}")
        try:
            with self._doing("writing", path):
                return self._write(part, path, source, mode if there is None or mode else there.st_mode, told)
        except BaseException:
            self.remove([part])
            raise

    def _write(
        self, part: str, path: str, source: IO[bytes], mode: int | None, told: Callable[[int], object]
    ) -> Written:
        digest, size = hashlib.sha256(), 0
        with self._sftp.open(part, "wx") as file:
            usual = file.stat().st_mode
            file.chmod(0o600)
            file.set_pipelined(True)
            data = _read(source)
            while data:
                if self._ctx.cancelled.is_set():
                    raise TaskFailed("it was cancelled")
                following = _read(source)
                # paramiko looks at the answers that are still out only before it waits for that of a block.
                file.set_pipelined(bool(following))
                file.write(data)
                digest.update(data)
                size += len(data)
                told(len(data))
                data = following
            if file.stat().st_size != size:
                raise TaskFailed(f"`{path}` on `{self._connection.endpoint.address}` was not written whole")
        return Written(part, path, stat.S_IMODE(mode or usual or 0o644), size, digest.hexdigest())

    def rename(self, written: Written) -> None:
        """Give a written file its mode and its name, in place of what was there. Raises TaskFailed."""
        with self._doing("writing", written.path):
            self._sftp.chmod(written.part, written.mode)
            try:
                self._sftp.posix_rename(written.part, written.path)
            except OSError as error:
                if error.errno is not None or self.find(written.path) is None:
                    raise
                # A server without that request: there is a moment without the file.
                self._sftp.remove(written.path)
                self._sftp.rename(written.part, written.path)

    def remove(self, paths: Iterable[str]) -> None:
        """Remove files, as well as that can be done; also after the task was cancelled."""
        import paramiko

        with suppress(OSError, EOFError, paramiko.SSHException, TaskFailed):
            sftp = self._connection.sftp()
            for path in paths:
                with suppress(OSError):
                    sftp.remove(path)

    def read(self, file: Found) -> Iterator[bytes]:
        """Yield the bytes of a file, up to the size that it was found with. Raises TaskFailed."""
        with self._doing("reading", file.path), self._sftp.open(file.path, "rb") as source:
            if not file.size:  # also what the kernel makes up, whose size is unknown
                while data := source.read(BLOCK):
                    yield data
                return
            left = file.size
            for data in read_blocks(self._sftp, source, file.size):
                if self._ctx.cancelled.is_set():
                    raise TaskFailed("it was cancelled")
                left -= len(data)
                yield data
            if left:
                raise TaskFailed(f"`{file.path}` on `{self._connection.endpoint.address}` shrank while it was read")


def found(path: str, attributes: SFTPAttributes) -> Found:
    """Return a file as SFTP describes it."""
    return Found(path, attributes.st_size or 0, int(attributes.st_mtime or 0))


def _read(source: IO[bytes]) -> bytes:
    try:
        return source.read(BLOCK)
    except OSError as error:
        raise TaskFailed(f"what is to be sent cannot be read: {(error.strerror or str(error)).lower()}") from None


def _refused(address: str, what: str, path: str, error: OSError) -> TaskFailed:
    if error.errno == errno.ENOENT:
        return TaskFailed(f"`{address}` has no `{path}`, or no folder for it", retryable=False)
    if error.errno == errno.EACCES:
        return TaskFailed(f"`{address}` does not permit {what} `{path}`", retryable=False)
    reason = (error.strerror or str(error) or type(error).__name__).lower()
    return TaskFailed(f"`{address}` failed {what} `{path}`: {reason}")
