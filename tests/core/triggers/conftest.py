"""A server whose triggers are evaluated by hand, at a time that the test sets."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rota.flows.loader import parse_flow
from rota.server.application import Application
from rota.server.triggers_part import TriggersPart
from rota.store import Connection
from tests.core.dists import Dists, dists

__all__ = ["dists"]

PATIENCE = 150.0


class Clockwork:
    """An application with a conductor; `turn` evaluates triggers at the time `now`."""

    def __init__(self, app: Application) -> None:
        self.app = app
        self.now = float(int(time.time()) + 10)
        self.wake = threading.Event()
        app.conductor(server=True)
        self.part = TriggersPart(app, self.wake, lambda: self.now)

    def deploy(self, source: str) -> None:
        """Deploy a flow, at the time `now`."""
        with self.frozen():
            self.app.flows.deploy(parse_flow(source))

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Have `time.time` give `now`."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(time, "time", lambda: self.now)
            yield

    def before_the_next_write(self, do: Callable[[], object]) -> None:
        """Have `do` happen in the next turn, between what it reads and what it writes."""
        around = self.part.evaluator._around

        def submit(write: Callable[[Connection], Any]) -> Any:
            self.part.evaluator._around = around
            do()
            return around.submit(write)

        self.part.evaluator._around = replace(around, submit=submit)

    def turn(self, after: float = 0.0) -> float:
        """Let `after` seconds pass and do a turn; return for how long there is nothing to do."""
        self.now += after
        return self.part.evaluator.turn()

    def until(self, condition: Callable[[], Any], *, turns: bool = False) -> Any:
        """Wait until `condition()` gives something, with `turns` evaluating meanwhile, and return that."""
        limit = time.monotonic() + PATIENCE
        while not (found := condition()):
            assert time.monotonic() < limit, "it did not come to that"
            if turns:
                self.turn()
            time.sleep(0.01)
        return found

    def executions(self, flow: str) -> list[dict[str, Any]]:
        """Return the executions of a flow, oldest first."""
        rows = [self.app.executions.get(row["id"]) for row in self.app.executions.list(flow=flow, limit=1000)]
        return sorted(rows, key=lambda row: (row["trigger"] or {}).get("date", ""))

    def dates(self, flow: str) -> list[str]:
        """Return the dates of what triggers started."""
        return [row["trigger"]["date"] for row in self.executions(flow)]

    def ended(self, flow: str, count: int) -> list[dict[str, Any]]:
        """Wait until so many executions of a flow have ended, and return them."""

        def all_ended() -> list[dict[str, Any]]:
            rows = self.executions(flow)
            return rows if len(rows) >= count and all(row["ended_at"] for row in rows) else []

        return list(self.until(all_ended))

    def trigger(self, flow: str, name: str) -> dict[str, Any]:
        """Return a trigger as `rota triggers list` shows it."""
        return next(row for row in self.app.triggers.list() if (row["flow"], row["trigger"]) == (flow, name))


@pytest.fixture
def clockwork(tmp_path: Path, dists: Dists) -> Iterator[Clockwork]:
    dists.install("source", SOURCE)
    (tmp_path / "rota.yaml").write_text("home: home\ndurability: process\n")
    with Application.open(tmp_path / "rota.yaml") as app:
        app.maintenance.make_key()
        yield Clockwork(app)


SOURCE = """
import threading
from rota import Event, Trigger, hookimpl

given = []
acknowledged = []
refusals = []
seen = []
gate = threading.Event()

class Queue(Trigger):
    '''A queue in this process.'''

    name: str
    '''Its name.'''

    def poll(self, ctx):
        seen.append((self.name, dict(ctx.state)))
        what = given.pop(0) if given else []
        if what == "hang":
            gate.wait()
            return []
        if isinstance(what, Exception):
            raise what
        ctx.state["place"] = ctx.state.get("place", 0) + (len(what) if isinstance(what, list) else 0)
        return what

    def ack(self, events):
        what = refusals.pop(0) if refusals else None
        if what == "hang":
            gate.wait()
        elif what:
            raise what
        acknowledged.append([event.key for event in events])

@hookimpl
def register_triggers():
    return [Queue]
"""
