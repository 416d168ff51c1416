"""Log lines: a task that has much to say, with every line on disk."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench import floor
from tests.bench.result import Result
from tests.bench.running import Flow, best
from tests.bench.setups import Setup

COUNT = 50_000


def run(setup: Setup) -> Iterator[Result]:
    """Measure lines per second, by `ctx.log` and from a program."""
    with setup.application() as app:
        said = Flow(app, f"id: said\ntasks:\n  - {{id: lines, type: bench.lines, count: {COUNT}}}\n")
        printed = Flow(app, f"id: printed\ntasks:\n  - {{id: lines, type: shell, command: 'seq {COUNT}'}}\n")
        one, other, bare = best(said.run, printed.run, lambda: floor.lines(setup, COUNT), rounds=2)
    yield Result("log lines of a task", setup.name, "lines/s", COUNT / one, COUNT / bare)
    yield Result("log lines of a program", setup.name, "lines/s", COUNT / other, COUNT / bare)
