"""Worker threads: started on demand, daemons of our own, replaced when a task will not end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

Job = Callable[[], Any]
RETIRED = object()
"""What a job returns whose thread has been replaced meanwhile: the thread ends."""


class Workers:
    """Up to `size` threads that run jobs. Only the conductor's thread calls `give`; it never gives more than `free`."""

    def __init__(self, size: int, name: str = "rota-worker") -> None:
        self.size = size
        self._name = name
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._threads = 0
        self.busy = 0
        """Jobs given and not yet taken off by `done`; the conductor's own count."""

    @property
    def free(self) -> int:
        """How many more jobs may be given."""
        return self.size - self.busy

    def give(self, job: Job) -> None:
        """Have `job` run by a free thread, or by a new one."""
        self.busy += 1
        if self.busy > self._threads:
            self._start()
        self._queue.put(job)

    def done(self) -> None:
        """Note that a job has ended: its thread is free again."""
        self.busy -= 1

    def replace(self) -> None:
        """Note that the thread of a job has been given up: another one takes its place."""
        self.busy -= 1
        self._threads -= 1

    def close(self) -> None:
        """End the idle threads."""
        for _ in range(self._threads):
            self._queue.put(None)
        self._threads = 0

    def _start(self) -> None:
        self._threads += 1
        threading.Thread(target=self._work, name=f"{self._name}-{self._threads}", daemon=True).start()

    def _work(self) -> None:
        get = self._queue.get
        while (job := get()) is not None:
            if job() is RETIRED:
                return
