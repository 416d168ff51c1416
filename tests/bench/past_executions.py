"""Lists of executions: a page of the newest, with few and with many in the past."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from rota.server.application import Application
from rota.store import executions
from tests.bench.result import Result
from tests.bench.running import best
from tests.bench.setups import Setup

FEW, MANY = 100, 100_000
SLOWER = 2.0
"""A page may take so many times longer with many in the past than with few."""


def run(setup: Setup) -> Iterator[Result]:
    """Measure the milliseconds for a page, also of failed ones alone; the floor is the same with few."""
    with setup.application() as app:
        _fill(app, 0, FEW)
        bare = _pages(app)
        _fill(app, FEW, MANY)
        full = _pages(app)
    for name, before, after in zip(("newest", "failed", "of a flow"), bare, full, strict=True):
        yield Result(
            f"list of {MANY:,}: {name}", setup.name, "ms", after * 1e3, before * 1e3, before * 1e3 * SLOWER, less=True
        )


def _pages(app: Application) -> list[float]:
    filters: list[dict[str, Any]] = [{}, {"states": ["failed"]}, {"namespace": "bench", "flow": "flow-7"}]
    return best(*(lambda chosen=chosen: _page(app, chosen) for chosen in filters), rounds=20)


def _page(app: Application, filters: dict[str, Any]) -> float:
    began = time.perf_counter()
    app.executions.list(limit=10, **filters)
    return time.perf_counter() - began


def _fill(app: Application, first: int, last: int) -> None:
    for start in range(first, last, 10_000):
        rows = [_row(number) for number in range(start, min(start + 10_000, last))]
        with app.store.write() as conn:
            executions.insert_many(conn, rows)
    if app.store.dialect == "postgresql":  # what its autovacuum does within a minute
        with app.store.write() as conn:
            conn.exec_driver_sql("ANALYZE executions")


def _row(number: int) -> dict[str, Any]:
    at = 1_700_000_000.0 + number
    return {
        "id": f"{number:026d}",
        "namespace": "bench",
        "flow": f"flow-{number % 10}",
        "state": "failed" if number % 8 == 0 else "success",
        "created_at": at,
        "started_at": at,
        "ended_at": at + 1,
    }
