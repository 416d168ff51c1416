"""Breaks off what a task waits for, without making whoever cancels it wait."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress


def give_up(stop: Callable[[], object]) -> None:
    """Call `stop`, which closes something, from a thread of its own; what it raises means that it is closed."""

    def run() -> None:
        with suppress(Exception):
            stop()

    threading.Thread(target=run, daemon=True, name="ssh-give-up").start()
