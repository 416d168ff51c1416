"""What the tests of child programs share."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from rota.context import ProcessResult
from rota.executions.processes.run import run_process


class Cancel:
    """A task's cancel as the worker has it: an event, and callbacks."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.stops: list[Callable[[], object]] = []

    def register(self, stop: Callable[[], object]) -> Callable[[], object]:
        self.stops.append(stop)
        if self.event.is_set():
            stop()
        return lambda: self.stops.remove(stop)

    def __call__(self) -> None:
        self.event.set()
        for stop in list(self.stops):
            stop()


class Runner:
    """Runs programs with `run_process`, under a cancel of its own."""

    def __init__(self) -> None:
        self.cancel = Cancel()

    def __call__(self, *argv: str, **options: Any) -> ProcessResult:
        return run_process(argv, cancelled=self.cancel.event, register_cancel=self.cancel.register, **options)


@pytest.fixture
def run() -> Runner:
    return Runner()
