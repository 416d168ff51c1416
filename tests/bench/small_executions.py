"""Small executions: many of one task each, started by a few threads at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from tests.bench import floor
from tests.bench.result import Result
from tests.bench.running import Flow, best
from tests.bench.setups import Setup

COUNT = 500
CALLERS = 16
AIM = 500


def run(setup: Setup) -> Iterator[Result]:
    """Measure executions per second, from the first start to the last end."""
    with setup.application() as app, ThreadPoolExecutor(CALLERS) as callers:
        flow = Flow(app, "id: small\ntasks:\n  - {id: only, type: bench.noop}\n")

        def measure() -> float:
            began = time.perf_counter()
            for execution in list(callers.map(lambda _: flow.start(), range(COUNT))):
                flow.finish(execution)
            return time.perf_counter() - began

        # The floor's rows: the execution and its task.
        seconds, bare = best(measure, lambda: floor.fan_out(setup, COUNT, rows=2))
    yield Result("small executions", setup.name, "executions/s", COUNT / seconds, COUNT / bare, AIM)
