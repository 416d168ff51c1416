"""Many scheduled flows: a minute in which 1,000 of 5,000 are due at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from rota.flows.loader import parse_flow
from rota.server.application import Application
from rota.server.triggers_part import TriggersPart
from rota.store import flows, triggers
from rota.triggers.definitions import definitions_of
from tests.bench import floor
from tests.bench.result import Result
from tests.bench.setups import Setup

FLOWS, DUE = 5_000, 1_000
AIM = 5.0
DAY = 86_400.0
PATIENCE = 120.0


def run(setup: Setup) -> Iterator[Result]:
    """Measure from the minute until every flow that is due runs or has run; the floor is writing the rows."""
    with setup.application() as app:
        conductor = app.conductor(server=True)
        clock = [time.time()]
        deploy(app, clock[0])
        part = TriggersPart(app, threading.Event(), lambda: clock[0])
        while part.evaluator.turn() < 1:  # every schedule is looked at once after its deployment
            pass
        with app.store.read() as conn:
            due = triggers.next_due(conn)
        assert due is not None
        clock[0] = due + 1
        began = time.perf_counter()
        while part.evaluator.turn() == 0:
            pass
        planned = time.perf_counter() - began
        while _started(app) < DUE:
            assert time.perf_counter() - began < PATIENCE, f"only {_started(app)} were started"
            time.sleep(0.02)
        seconds = time.perf_counter() - began
        assert conductor.failure is None
        bare = floor.fan_out(setup, DUE, rows=3)
    yield Result(f"{DUE:,} of {FLOWS:,} schedules due at once: on record", setup.name, "s", planned, bare, less=True)
    yield Result(f"{DUE:,} of {FLOWS:,} schedules due at once: started", setup.name, "s", seconds, bare, AIM, less=True)


def deploy(app: Application, at: float) -> None:
    """Deploy all flows in one transaction: those that are due come at the same minute, the others later."""
    minute = time.gmtime(at + DAY / 2)
    with app.store.write() as conn:
        for number in range(FLOWS):
            hour = minute.tm_hour if number < DUE else (minute.tm_hour + 1 + number % 10) % 24
            source = (
                f'id: due-{number}\ntriggers: [{{id: daily, type: schedule, cron: "{minute.tm_min} {hour} * * *"}}]\n'
                "tasks: [{id: one, type: bench.noop}]\n"
            )
            flow = parse_flow(source).flow
            flows.deploy(conn, "bench", flow.id, source, {}, author="bench", at=at)
            triggers.sync(conn, "bench", flow.id, definitions_of(flow), at=at)


def _started(app: Application) -> int:
    with app.store.read() as conn:
        return int(conn.exec_driver_sql("SELECT count(*) FROM executions WHERE started_at IS NOT NULL").scalar_one())
