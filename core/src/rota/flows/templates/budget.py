"""What one evaluation may use, and what it has touched."""

from __future__ import annotations

import threading
import time
from typing import Any

from rota.errors import ExpressionError

MAX_TEXT = 16 * 1024 * 1024
"""The longest text, in characters, also as the sum over a list or mapping."""
MAX_ITEMS = 1_000_000
"""The most values in a list or mapping, those inside counted too."""
MAX_RANGE = 100_000
"""The most numbers that `range` gives, and the most items that are sorted."""
MAX_DEPTH = 100
"""How deep lists and mappings may be nested."""
MAX_BITS = 4096
"""The size of the largest whole number."""
MAX_STEPS = 5_000_000
MAX_SECONDS = 0.4
"""Processor time of the evaluating thread: waiting for a secret or for a busy machine does not count."""
_TOTAL = 2
_CHECK_EVERY = 2_000


class Evaluation:
    """One expression being evaluated: its budget, and whether a secret was used.

    Attributes:
        tainted: a secret was used, so the result is secret.
        measured: sizes by object id; the objects are kept, so that no id is used twice.
    """

    __slots__ = ("_next_check", "_paused", "_started", "_steps", "_text", "measured", "names", "tainted")

    def __init__(self, names: Any) -> None:
        self.names = names
        self.tainted = False
        self.measured: dict[int, tuple[Any, int, int, int]] = {}
        self._steps = 0
        self._text = 0
        self._next_check = _CHECK_EVERY
        self._started: float | None = None
        self._paused = 0.0

    def step(self, count: int = 1) -> None:
        """Count work; raise ExpressionError when the budget is spent."""
        self._steps += count
        if self._steps >= self._next_check:
            self._check()

    def _check(self) -> None:
        self._next_check = self._steps + _CHECK_EVERY
        if self._steps > MAX_STEPS:
            raise over("takes too many steps")
        now = time.thread_time()
        if self._started is None:
            self._started = now
        elif now - self._started - self._paused > MAX_SECONDS:
            raise over(f"takes longer than {MAX_SECONDS} seconds")

    def start_clock(self) -> None:
        """Begin to count processor time, if that has not begun."""
        if self._started is None:
            self._started = time.thread_time()

    def pause(self, seconds: float) -> None:
        """Leave `seconds` of processor time out of account: what loading a value took."""
        self._paused += seconds

    def made(self, text: int) -> None:
        """Count a text that was made, by its length; raise ExpressionError when it is too long, or all are."""
        if text > MAX_TEXT:
            raise over(f"makes a text of more than {MAX_TEXT:,} characters")
        self._text += text
        if self._text > MAX_TEXT * _TOTAL:
            raise over(f"makes texts of more than {MAX_TEXT * _TOTAL:,} characters together")
        self.step(1 + text // 1024)

    def may_make(self, *, text: int = 0, items: int = 0) -> None:
        """Raise ExpressionError, before it is made, when a text or list of this size would be too large."""
        if text > MAX_TEXT:
            raise over(f"would make a text of more than {MAX_TEXT:,} characters")
        if items > MAX_ITEMS:
            raise over(f"would make more than {MAX_ITEMS:,} values")
        self.step(1 + items // 16)


class _Current(threading.local):
    evaluation: Evaluation | None = None


_current = _Current()


def current() -> Evaluation:
    """Return the evaluation that runs on this thread."""
    evaluation = _current.evaluation
    if evaluation is None:
        raise ExpressionError("a filter was called outside of an expression")
    return evaluation


def enter(evaluation: Evaluation | None) -> Evaluation | None:
    """Make `evaluation` the current one of this thread and return the one before, to be entered again."""
    before, _current.evaluation = _current.evaluation, evaluation
    return before


def over(reason: str) -> ExpressionError:
    """Return the error for an expression that is over its budget."""
    return ExpressionError(f"it {reason}", hint="do such work in a `python` task")
