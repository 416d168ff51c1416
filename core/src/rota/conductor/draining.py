"""The end of a conductor: nothing new starts, what is idle is handed over at once, the rest when it is done or lost."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from rota.executions.models import Ended, Problem, State
from rota.executions.worker import Outcome
from rota.store import executions

if TYPE_CHECKING:
    from collections.abc import Callable

    from rota.conductor.conductor import Conductor
    from rota.conductor.live import Live

STOPPED = Problem("lost", "the process that ran it was stopped")


class Draining:
    """Drains one conductor; true once that has begun."""

    def __init__(self, conductor: Conductor) -> None:
        self._conductor = conductor
        self._begun = False
        self.hurried = threading.Event()
        """Set when nothing is waited for any more."""

    def __bool__(self) -> bool:
        return self._begun

    # --- on the thread that stops the conductor

    def begin(self) -> None:
        """Have nothing new start from now on."""
        self._begun = True
        self._conductor.driver.later(_nothing)

    def drain(self, seconds: float) -> None:
        """Wait up to `seconds` for what runs; then end it, and call what does not end lost."""
        own = self._conductor
        self.begin()
        self._wait(seconds, self.hurried.is_set)
        if own.driver.running and own.alive():
            own.stop_all("shutdown")
            self._wait(own.driver.grace * 2 + 1)
        if own.alive():
            written = threading.Event()
            own.driver.later(self._finish, written)
            written.wait(5.0)

    def _wait(self, seconds: float, over: Callable[[], bool] = bool) -> None:
        own, limit = self._conductor, time.monotonic() + seconds
        while own.driver.running and own.alive() and time.monotonic() < limit and not over():
            time.sleep(0.01)

    # --- on the conductor's thread

    def hand_over(self) -> None:
        """Let go of the executions of which nothing runs; other servers take them."""
        own = self._conductor
        busy = {attempt.frame.live.family for attempt in own.driver.running}
        busy |= {job.frame.live.family for job in own.evaluating}
        idle: dict[str, list[Live]] = {}
        for live in own.driver.lives.values():
            if live.row["mode"] == "server" and live.family not in busy:
                idle.setdefault(live.family, []).append(live)
        batch = own.driver.batch
        for family, lives in idle.items():
            for live in lives:
                own.driver.forget(live)
                batch.after.add(family, partial(own.let_go, live))
            ids = [live.id for live in lives]
            batch.writes.add(family, lambda conn, ids=ids: executions.hand_over(conn, ids, own.id))
        if idle:
            batch.writes.add("", lambda conn: own.store.notify(conn, "executions"))
            own.settle()

    def _finish(self, written: threading.Event) -> None:
        """Call what still runs lost, and what a person ran in this process failed."""
        own = self._conductor
        for attempt in tuple(own.driver.running):
            assert attempt.assignment is not None
            message = "the server was stopped while it ran"
            problem = Problem("shutdown", message, attempt.node, attempt.frame.view.key or "", attempt.number)
            rerun = attempt.assignment.idempotent
            own.abandoned.give_up(attempt, Outcome(Ended(attempt.node, attempt.number, State.LOST, problem, rerun)))
        own.settle()
        for family in {live.family for live in own.driver.lives.values() if live.row["mode"] == "local"}:
            own.giving_up.family(family, STOPPED)
        own.driver.batch.after.add("", written.set)
        own.settle()
        self.hand_over()


def _nothing() -> None:
    """Only wakes the conductor."""
