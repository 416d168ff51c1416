"""The evaluator: sees what is due, makes executions of it, sleeps until the next. One at a time among all servers.

A turn reads what has happened, asks the kind of each trigger that is due, and writes everything that follows in one
transaction: the executions, their firings, which make them unique, and where each trigger stands. A turn whose
transaction fails leaves nothing behind, and is done again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rota.errors import RotaError
from rota.flows.models import Flow
from rota.flows.triggers import AnyTrigger
from rota.store import Connection, Store, triggers
from rota.triggers.firing import Firing, Row
from rota.triggers.flow_shelf import FlowShelf
from rota.triggers.turn import NEVER, Turn

logger = logging.getLogger("rota.triggers")
ROLE = "triggers"
LONGEST, UNTOLD = 30.0, 5.0
"""Seconds between two turns at the most, where the evaluator is woken by every write of others, and where it is not."""
SHORTEST = 0.05
"""Seconds between two turns at the least, so that a storm of events is taken many at a time."""
AT_ONCE = 500
"""So many triggers are looked at in one transaction."""


class Kind(Protocol):
    """How triggers of one type are looked at when their `next_at` has come."""

    def look(self, turn: Turn, row: Row, flow: Flow, trigger: AnyTrigger) -> None:
        """Note in `turn` what follows: starts, and a later `next_at`. Raises RotaError for what is wrong with it."""


class Source(Protocol):
    """What happens by itself, whatever the time: ends of executions, polls that came back, backfills under way."""

    def take(self, turn: Turn) -> float | None:
        """Note in `turn` what follows from what has happened; return when there is more to see, if it is known."""

    def forget(self) -> None:
        """Drop what is only in memory: another server has evaluated meanwhile, or a turn was not written."""


@dataclass(frozen=True)
class Around:
    """What the evaluator works with.

    `submit` runs a write in a transaction that only the living can commit; `holds` says whether this server has the
    role, and takes it when it is free; `started` is called after executions were made.
    """

    store: Store
    submit: Callable[[Callable[[Connection], Any]], Any]
    holds: Callable[[], bool]
    firing: Firing
    shelf: FlowShelf
    started: Callable[[], object]
    clock: Callable[[], float] = time.time


class Evaluator:
    """Turns round and round until it is stopped; `wake` has it look at once."""

    def __init__(
        self, around: Around, kinds: Mapping[str, Kind], other: Kind, sources: Sequence[Source], wake: threading.Event
    ) -> None:
        """`kinds` is by type, `other` for the types of plugins."""
        self._around = around
        self._kinds = kinds
        self._other = other
        self._sources = sources
        self._wake = wake

    def run(self, stop: threading.Event) -> None:
        """Evaluate until `stop` is set. Raises what keeps it from going on; run again, it begins where it was."""
        self._forget()
        while not stop.wait(SHORTEST):
            self._wake.clear()
            wait = self.turn()
            if wait > 0 and not stop.is_set():
                self._wake.wait(wait)

    def turn(self) -> float:
        """Do one turn; return for how many seconds there is nothing to do."""
        around = self._around
        if not around.holds():
            self._forget()
            return UNTOLD
        now = around.clock()
        turn = Turn(around.firing, now)
        due = self._look_at_due(turn)
        times = [source.take(turn) for source in self._sources]
        if turn:
            try:
                around.submit(turn.write)
            except BaseException:
                self._forget()
                raise
            if turn.new:
                around.started()
        for do in turn.after:
            do()
        if due >= AT_ONCE:
            return 0.0
        with around.store.read() as conn:
            times.append(triggers.next_due(conn))
        longest = LONGEST if around.store.tells_of_writes else UNTOLD
        return max(0.0, min([longest, *(at - now for at in times if at is not None)]))

    def _look_at_due(self, turn: Turn) -> int:
        with self._around.store.read() as conn:
            rows = triggers.due(conn, turn.now, AT_ONCE)
            self._around.shelf.read_ahead(conn, [row["revision_id"] for row in rows])
        for row in rows:
            try:
                flow = self._around.shelf.flow(row["revision_id"])
                trigger = self._around.shelf.trigger(row["revision_id"], row["trigger"])
                self._kinds.get(row["type"], self._other).look(turn, row, flow, trigger)
            except RotaError as error:
                self._give_up(turn, row, error.message)
            except Exception as error:
                logger.exception("trigger `%s` of %s/%s", row["trigger"], row["namespace"], row["flow"])
                self._give_up(turn, row, f"{type(error).__name__}: {error}")
        return len(rows)

    def _give_up(self, turn: Turn, row: Row, message: str) -> None:
        """Look at what cannot be looked at again in a while: what is wrong may be mended without a deployment."""
        turn.failed(row, message)
        turn.move(row, next_at=turn.now + min(3600.0, 10.0 * 2 ** min(row["failures"], 9)))

    def _forget(self) -> None:
        for source in self._sources:
            source.forget()


class OnlyByEvent:
    """The kind of triggers that nothing but an event concerns: `flow` and `webhook`."""

    def look(self, turn: Turn, row: Row, flow: Flow, trigger: AnyTrigger) -> None:
        """Look at it no more until it is deployed anew."""
        turn.move(row, next_at=NEVER)
