"""Counts the signals that ask to stop: the first one asks nicely, the second one does not wait."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType, TracebackType
from typing import Any, Self

from rota.cli.failures import INTERRUPTED

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """While it is entered, the first SIGINT or SIGTERM sets `asked`; the second leaves at once with exit code 130.

    What then still runs is ended by its guard, and called lost by the next Rota process.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._receive) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            self._leave()
        self.asked = True

    def _leave(self) -> None:
        # Nothing here may wait for a lock that what was interrupted holds: plain writes, then the end.
        if sys.stdout.isatty():
            os.write(sys.stdout.fileno(), b"\x1b[?25h\n")
        os.write(sys.stderr.fileno(), b"left at once; what ran is lost, and the next `rota` says how to go on\n")
        os._exit(INTERRUPTED)
