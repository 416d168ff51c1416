"""Reads a remote file with many requests on the way: fast over long lines, and in constant memory.

paramiko's own way of doing that keeps what it has fetched too early.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from paramiko import SFTPClient, SFTPFile

_REQUEST = 1 << 15
"""What every server gives at once."""
_ON_THE_WAY = 64
"""How many requests may be unanswered: with their size, that is what is in memory."""


def read_blocks(sftp: SFTPClient, file: SFTPFile, size: int) -> Iterator[bytes]:
    """Yield the first `size` bytes of an open file, in order, or less where it ends before.

    Raises what paramiko raises.
    """
    window = _Window(sftp, file)
    waiting: deque[tuple[int, int, int]] = deque()
    asked = 0
    while waiting or asked < size:
        while asked < size and len(waiting) < _ON_THE_WAY:
            count = min(_REQUEST, size - asked)
            waiting.append((window.ask(asked, count), asked, count))
            asked += count
        number, offset, count = waiting.popleft()
        data = window.answer(number)
        yield data
        got = len(data)
        while data and got < count:  # a server may give less than it was asked for
            data = window.answer(window.ask(offset + got, count - got))
            yield data
            got += len(data)


class _Window:
    """The requests that are on the way, and the answers that came before their turn."""

    def __init__(self, sftp: SFTPClient, file: SFTPFile) -> None:
        self._sftp: Any = sftp
        self._handle = file.handle
        self._early: dict[int, tuple[int, Any]] = {}

    def ask(self, offset: int, count: int) -> int:
        """Ask for bytes of the file and return the number of the request."""
        from paramiko.sftp import CMD_READ, int64

        number: int = self._sftp._async_request(self, CMD_READ, self._handle, int64(offset), count)  # noqa: SLF001
        return number

    def answer(self, number: int) -> bytes:
        """Return the answer to a request, empty at the end of the file."""
        from paramiko.sftp import CMD_DATA, CMD_STATUS

        try:
            if number in self._early:
                kind, message = self._early.pop(number)
                if kind == CMD_STATUS:
                    self._sftp._convert_status(message)  # noqa: SLF001
            else:
                kind, message = self._sftp._read_response(number)  # noqa: SLF001
        except EOFError:
            return b""
        data: bytes = message.get_string() if kind == CMD_DATA else b""
        return data

    def _async_response(self, kind: int, message: Any, number: int) -> None:
        """Called by paramiko with an answer that is not the one waited for."""
        self._early[number] = kind, message
