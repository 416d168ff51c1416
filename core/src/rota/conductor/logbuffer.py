"""Lines, metrics and progress on their way from workers to the store: bounded, written in batches."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rota.conductor.batch import Batch

Row = dict[str, Any]
MOST = 20_000
"""Lines that may wait for the store; a task that logs more waits until they are written."""
LARGEST = 16 << 20
"""Characters that may wait."""
AT_ONCE = 5_000


class LogBuffer:
    """Takes rows from any thread and gives them to the conductor's next batch."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)
        self._lines: list[Row] = []
        self._size = 0
        self._metrics: list[Row] = []
        self._progress: dict[tuple[str, str, str], Row] = {}
        self._closed = False

    def line(
        self, execution_id: str, path: str, node: str, attempt: int, level: str, message: str, fields: Mapping[str, Any]
    ) -> None:
        """Take one line; waits while too many are there already."""
        row = {
            "execution_id": execution_id,
            "path": path,
            "node": node,
            "attempt": attempt,
            "at": time.time(),
            "level": level,
            "message": message,
            "fields": dict(fields) if fields else None,
        }
        self._add([row], len(message))

    def lines(self, execution_id: str, path: str, node: str, attempt: int, level: str, messages: Sequence[str]) -> None:
        """Take many lines of one task run; waits while too many are there already."""
        now = time.time()
        self._add(
            [
                {
                    "execution_id": execution_id,
                    "path": path,
                    "node": node,
                    "attempt": attempt,
                    "at": now,
                    "level": level,
                    "message": message,
                    "fields": None,
                }
                for message in messages
            ],
            sum(map(len, messages)),
        )

    def _add(self, rows: list[Row], size: int) -> None:
        with self._room:
            while (len(self._lines) >= MOST or self._size > LARGEST) and not self._closed:
                self._room.wait(1.0)
            first = not self._lines
            self._lines += rows
            self._size += size
        if first:
            self._wake()

    def metric(self, row: Row) -> None:
        """Take one number."""
        with self._lock:
            first = not self._metrics
            self._metrics.append(row)
        if first:
            self._wake()

    def progress(self, execution_id: str, path: str, node: str, progress: dict[str, float | None]) -> None:
        """Keep how far a task is; only the latest is written."""
        with self._lock:
            first = not self._progress
            self._progress[(execution_id, path, node)] = {
                "execution_id": execution_id,
                "path": path,
                "node": node,
                "progress": progress,
            }
        if first:
            self._wake()

    def drain(self, batch: Batch) -> None:
        """Move what waits into `batch`, unless it wants all not more at once than keeps the transaction short."""
        with self._room:
            at_once = len(self._lines) if batch.whole_logs else AT_ONCE
            taken = self._lines[:at_once]
            del self._lines[:at_once]
            batch.logs += taken
            self._size -= sum(len(row["message"]) for row in taken)
            batch.metrics += self._metrics
            batch.progress += self._progress.values()
            self._metrics = []
            self._progress = {}
            more = bool(self._lines)
            self._room.notify_all()
        if more:
            self._wake()

    def close(self) -> None:
        """Let nobody wait any more."""
        with self._room:
            self._closed = True
            self._room.notify_all()
