"""Runs flows in an application and takes the time."""

from __future__ import annotations

import time
from collections.abc import Callable

from rota.flows.loader import parse_flow
from rota.server.application import Application

ROUNDS = 3
"""How often each measurement is made; the best counts, since whatever else the machine does only makes it worse."""


class Flow:
    """A deployed flow of the namespace `bench`, prepared by a first execution that does not count."""

    def __init__(self, app: Application, source: str) -> None:
        self._app = app
        loaded = parse_flow(source)
        self._name = loaded.flow.id
        app.flows.deploy(loaded, namespace="bench")
        app.conductor()
        self.run()

    def start(self) -> str:
        """Start an execution and return its id."""
        return self._app.executions.start("bench", self._name, {}, here=True)

    def run(self) -> float:
        """Return the seconds from the call to the end, on disk, of one execution."""
        return seconds_of(lambda: self.finish(self.start()))

    def finish(self, execution: str) -> None:
        """Wait for the end of an execution, which must be a success."""
        row = self._app.executions.wait(execution, 300)
        assert row is not None, "it did not end in time"
        assert row["state"] == "success", row["problem"]


def seconds_of(work: Callable[[], object]) -> float:
    """Return the seconds that `work` takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def best(*measurements: Callable[[], float], rounds: int = ROUNDS) -> list[float]:
    """Return the least that each measurement gave, made in turns so that all have the same conditions."""
    found = [[measure() for measure in measurements] for _ in range(rounds)]
    return [min(column) for column in zip(*found, strict=True)]
