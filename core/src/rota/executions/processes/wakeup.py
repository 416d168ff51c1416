"""A way for another thread to wake one that waits for files."""

from __future__ import annotations

import os
import threading


class Wakeup:
    """A descriptor that becomes readable once `set` is called, from any thread and at any time.

    After `close` a late `set` does nothing: by then the descriptor may be somebody else's.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends = (os.eventfd(0, os.EFD_CLOEXEC),) if hasattr(os, "eventfd") else os.pipe()
        self._closed = False

    def fileno(self) -> int:
        return self._ends[0]

    def set(self) -> None:
        with self._lock:
            if not self._closed:
                os.write(self._ends[-1], (1).to_bytes(8, "little"))

    def close(self) -> None:
        with self._lock:
            if not self._closed:
                self._closed = True
                for end in self._ends:
                    os.close(end)
