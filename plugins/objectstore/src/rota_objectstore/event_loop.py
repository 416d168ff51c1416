"""An event loop that has nothing to poll: the exchanges of obstore go on in threads of its own, which wake it.

Asyncio's own loops ask the system for sockets that are ready, four times for each small object, and are woken through
a socket. That costs more than storing the object does.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Any


class EventLoop(asyncio.BaseEventLoop):
    """Runs coroutines that await other threads, and timers; it knows no sockets, signals or processes.

    The three names with an underscore are what `BaseEventLoop` leaves to those that are derived from it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._selector = _Waiting()

    def _write_to_self(self) -> None:
        self._selector.wake()

    def _process_events(self, event_list: Any) -> None:
        """Do nothing: there are none."""


class _Waiting:
    """Stands where other loops have a selector: it waits to be woken."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def wake(self) -> None:
        with suppress(RuntimeError):  # it is woken already
            self._lock.release()

    def select(self, timeout: float | None) -> tuple[()]:
        """Wait for `wake`, or `timeout` seconds."""
        if timeout is None or timeout > 0:
            self._lock.acquire(timeout=-1 if timeout is None else timeout)
        return ()
