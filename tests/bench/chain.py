"""Chains: tasks that do nothing, one after the other."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench import floor
from tests.bench.result import Result
from tests.bench.running import Flow, best
from tests.bench.setups import Setup

AIMS = {"process": 3_000, "power": 1_000, "postgres": 500}
SHORT = 40
SHORT_AIMS = {"process": 20, "power": 50}


def run(setup: Setup) -> Iterator[Result]:
    """Measure tasks per second in a long chain, and the milliseconds of a short one."""
    count = 2000 if setup.name == "process" else 500
    with setup.application() as app:
        flow = Flow(app, _source("chain", count))
        seconds, bare = best(flow.run, lambda: floor.chain(setup, count))
        yield Result("chain", setup.name, "tasks/s", count / seconds, count / bare, AIMS[setup.name])
        flow = Flow(app, _source("short", SHORT))
        seconds, bare = best(flow.run, lambda: floor.chain(setup, SHORT), rounds=10)
        aim = SHORT_AIMS.get(setup.name)
        yield Result(f"{SHORT} steps in a row", setup.name, "ms", seconds * 1e3, bare * 1e3, aim, less=True)


def _source(name: str, count: int) -> str:
    return f"id: {name}\ntasks:\n" + "".join(f"  - {{id: t{number}, type: bench.noop}}\n" for number in range(count))
