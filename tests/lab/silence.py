"""A server that takes connections and never says a word, for tests of timeouts."""

from __future__ import annotations

import socket
from types import TracebackType
from typing import Self

from tests.lab.ports import listening_socket


class Silence:
    """A port of 127.0.0.1 where connecting works and reading waits for ever.

    The system itself accepts connections, up to 512 of them; nothing runs and nothing is answered.
    """

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.port: int = listener.getsockname()[1]

    @classmethod
    def start(cls) -> Self:
        """Listen on a free port."""
        return cls(listening_socket())

    def stop(self) -> None:
        """Close the port; whoever waits is told that the connection was reset."""
        self._listener.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
