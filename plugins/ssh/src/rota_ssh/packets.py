"""Reads the packets of a connection: what has come is taken from the system at once, and no thread keeps the time."""

from __future__ import annotations

import socket
from typing import Any

import paramiko
from paramiko.packet import Packetizer

_BLOCK = 1 << 15


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
            self._data, self._at = self._sock.recv(_BLOCK), 0
        end = self._at + size
        data = self._data[self._at : end]
        self._at = min(end, len(self._data))
        return data
