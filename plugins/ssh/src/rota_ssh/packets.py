"""Reads the packets of a connection: what has come is taken from the system at once, and no thread keeps the time."""

from __future__ import annotations

import socket
import struct
from typing import Any

import paramiko
from paramiko.packet import Packetizer

_BLOCK = 1 << 15
_MOMENT = 0.5
"""Seconds after which one that waits looks whether the connection was closed, and whether a sign of life is due.

paramiko's own tenth of a second has a hundred idle connections take a twentieth of a core.
"""


class Packets(Packetizer):
    """Packets over a socket, or over a channel of a jump host."""

    def __init__(self, sock: socket.socket | paramiko.Channel) -> None:
        super().__init__(_ReadAhead(sock))  # type: ignore[arg-type]

    def start_handshake(self, timeout: float) -> None:
        """Start no timer, which is a thread: `negotiate` sees to it that the key exchange ends in time."""


class _ReadAhead:
    """A socket of which paramiko asks the head of a packet, then its rest: two system calls for what came as one."""

    def __init__(self, sock: socket.socket | paramiko.Channel) -> None:
        self._sock: Any = sock
        self._data, self._at = b"", 0
        self.send, self.close = self._sock.send, self._sock.close

    def recv(self, size: int) -> bytes:
        """Return up to `size` bytes. Called by one thread alone. Raises what the socket raises."""
        if self._at == len(self._data):
            try:
                self._data, self._at = self._sock.recv(_BLOCK), 0
            except BlockingIOError:
                raise TimeoutError from None
        end = self._at + size
        data = self._data[self._at : end]
        self._at = min(end, len(self._data))
        return data


def set_timeout(sock: socket.socket | paramiko.Channel) -> None:
    """Have each read and each write end after a moment, so that the connection's state is looked at.

    The system itself does so: a timeout of Python's costs another system call each time.
    """
    if isinstance(sock, paramiko.Channel):
        sock.settimeout(_MOMENT)
        return
    sock.settimeout(None)
    moment = struct.pack("ll", 0, round(_MOMENT * 1e6))
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        sock.setsockopt(socket.SOL_SOCKET, option, moment)
