"""Ends executions that cannot go on: broken inside, refused by the store, poison, or left by a process that died."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Collection, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from rota.conductor.live import Live, problem_json
from rota.conductor.locking import tell_of_locks
from rota.conductor.ownership import LeaseLost, mended_by_waiting
from rota.conductor.parts import parts, without
from rota.conductor.places import tell_of_places
from rota.errors import RotaError, StoreError
from rota.executions.models import Problem, State
from rota.store import Connection, Store, executions, locks, outbox, timers
from rota.store.lost import mark_lost

if TYPE_CHECKING:
    from rota.conductor.batch import Batch
    from rota.conductor.conductor import Conductor

logger = logging.getLogger("rota.conductor")
Row = dict[str, Any]
NOBODY: frozenset[str] = frozenset()


class GivingUp:
    """Gives up executions of one conductor, each alone."""

    def __init__(self, conductor: Conductor) -> None:
        self._conductor = conductor

    def broken(self, live: Live, error: BaseException) -> None:
        """An error in Rota itself fails that execution, and the subflows it waits for; whoever waits for it goes on."""
        own, batch = self._conductor, self._conductor.driver.batch
        trace = "".join(traceback.format_exception(error)).rstrip()
        own.ownership.report(f"execution {live.id} failed inside Rota:\n{trace}")
        problem = Problem("internal", f"{type(error).__name__}: {error}", retryable=False)
        for one in reversed(list(_descendants(live))):
            own.driver.forget(one)
            for frame in [frame for frame in batch.frames if frame.live is one]:
                del batch.frames[frame]
            batch.writes.add(one.family, partial(_mark_lost, one.id))
            own.lifecycle.end(one, State.FAILED, problem)

    def apart(self, batch: Batch, error: Exception) -> Collection[str]:
        """Write a batch that the store refused family by family; give up those whose part it refuses, return them.

        Before that it waits until the store takes anything at all: what ails all is nobody's fault.
        """
        own = self._conductor
        logger.warning("what happened last cannot be written as a whole, so it is written in parts: %s", error)
        self._until_anything_is_taken()
        refused = set()
        for of, part in parts(batch, own.family_of).items():
            try:
                own.ownership.commit(part.write)
            except LeaseLost:
                raise
            except Exception as reason:  # noqa: BLE001 - whatever it is, only this family pays for it
                refused.add(of)
                self._refused(of, part, reason)
        return refused

    def _until_anything_is_taken(self) -> None:
        own, wait = self._conductor.ownership, 0.1
        while True:
            try:
                own.commit(_nothing)
            except StoreError as error:
                if own.closing.wait(wait) or mended_by_waiting(error):
                    raise
                own.complain(error)
                wait = min(wait * 2, 5.0)
            else:
                return

    def _refused(self, of: str, part: Batch, error: Exception) -> None:
        own = self._conductor
        for _, future, _ in part.promises:
            future.set_exception(error)
        if part.of not in {live.family for live in own.driver.lives.values()}:
            own.ownership.report(f"the store refused for good: {error}")
            return
        message = f"the store refused what happened: {type(error).__name__}: {error}"
        self.family(of, Problem("internal", message, retryable=False))

    def family(self, family: str, problem: Problem) -> None:
        """End an execution and the subflows it waits for, whether they are in memory or only in rows."""
        own = self._conductor
        report(family, problem)
        for future in without(own.driver.batch, family, own.family_of):
            future.set_exception(RotaError(problem.message))
        lives = [live for live in own.driver.lives.values() if live.family == family]
        for live in lives:
            own.driver.forget(live)
            if live.abandoned:
                live.locked = True
                live.deferred.append(partial(own.lifecycle.free, live))
        busy = {live.id for live in lives if live.abandoned}
        ended: list[str] = []

        def end(conn: Connection) -> None:
            rows = executions.family(conn, family)
            end_executions(conn, own.store, rows, problem, kept=busy)
            ended[:] = [str(row["id"]) for row in rows]

        batch = own.driver.batch
        batch.writes.add(family, end)
        batch.after.add(family, lambda: self._ended(lives, ended))

    def _ended(self, lives: list[Live], ids: list[str]) -> None:
        own = self._conductor
        own.controls.apply()
        for live in lives:
            own.let_go(live)
        for execution_id in ids:
            own.leases.revoke(execution_id)


def report(execution_id: str, problem: Problem) -> None:
    """Say on the log that an execution has been given up, and what to do about it."""
    hint = f"`rota executions restart {execution_id}` goes on with it"
    logger.error("execution %s has failed: %s; %s", execution_id, problem.message, hint)


def end_executions(
    conn: Connection, store: Store, rows: list[Row], problem: Problem, *, kept: Collection[str] = NOBODY
) -> None:
    """Give executions, and everything in them, their end: failed. `rows` are theirs.

    What ran is lost, what waited never started. Whoever waits for their locks and places is told by commands; those
    of the executions `kept` stay held.
    """
    now = time.time()
    ids = [str(row["id"]) for row in rows]
    for row in rows:
        mark_lost(conn, row["id"])
        if row["id"] in kept and row["place_key"] is not None:
            executions.keep_place(conn, row, at=now)
        executions.update(conn, row["id"], state="failed", problem=problem_json(problem), ended_at=now)
    timers.clear_all(conn, ids)
    outbox.add(
        conn, [{"execution_id": row["id"], "run": row["run"], "state": "failed", "created_at": now} for row in rows]
    )
    freed = [execution_id for execution_id in ids if execution_id not in kept]
    tell_of_locks(conn, store, locks.release_all(conn, freed, at=now))
    tell_of_places(conn, store, rows)


def _descendants(live: Live) -> Iterator[Live]:
    yield live
    for child in live.children.values():
        yield from _descendants(child)


def _nothing(_conn: Connection) -> None:
    """Only see whether the store takes anything."""


def _mark_lost(execution_id: str, conn: Connection) -> None:
    mark_lost(conn, execution_id)
