"""Fan-out: a `parallel` of tasks that do nothing."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench import floor
from tests.bench.result import Result
from tests.bench.running import Flow, best
from tests.bench.setups import Setup

COUNT = 3000
AIMS = {"process": 10_000, "power": 10_000, "postgres": 5_000}


def run(setup: Setup) -> Iterator[Result]:
    """Measure tasks per second."""
    tasks = "\n".join(f"      - {{id: t{number}, type: bench.noop}}" for number in range(COUNT))
    with setup.application() as app:
        flow = Flow(app, f"id: fan-out\ntasks:\n  - id: all\n    type: parallel\n    tasks:\n{tasks}\n")
        seconds, bare = best(flow.run, lambda: floor.fan_out(setup, COUNT))
    yield Result("fan-out", setup.name, "tasks/s", COUNT / seconds, COUNT / bare, AIMS[setup.name])
