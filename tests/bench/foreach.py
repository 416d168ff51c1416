"""`foreach` over many items, which must grow linearly."""

from __future__ import annotations

from collections.abc import Iterator

from tests.bench import floor
from tests.bench.result import Result
from tests.bench.running import Flow, best
from tests.bench.setups import Setup

FEW, MANY = 1_000, 10_000
AIM = 2.0
LINEAR = 1.3
"""An item may cost so many times more among many than among few."""


def run(setup: Setup) -> Iterator[Result]:
    """Measure the seconds for few and for many items, and what an item costs in the one and in the other."""
    with setup.application() as app:
        few, bare_few = best(Flow(app, _source(FEW)).run, lambda: floor.fan_out(setup, FEW, rows=2))
        many, bare_many = best(Flow(app, _source(MANY)).run, lambda: floor.fan_out(setup, MANY, rows=2), rounds=2)
    yield Result(f"foreach, {FEW:,} items", setup.name, "s", few, bare_few, AIM * FEW / MANY, less=True)
    yield Result(f"foreach, {MANY:,} items", setup.name, "s", many, bare_many, AIM, less=True)
    growth = (many / MANY) / (few / FEW)
    yield Result("foreach, cost per item grows", setup.name, "times", growth, aim=LINEAR, less=True)


def _source(count: int) -> str:
    return (
        f"id: each-{count}\ntasks:\n"
        f"  - id: each\n    type: foreach\n    items: '{{{{ range({count}) }}}}'\n    concurrency: 200\n"
        "    tasks:\n      - {id: one, type: bench.noop}\n"
    )
