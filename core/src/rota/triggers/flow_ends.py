"""What follows from the ends of executions: `flow` triggers start flows, `stop_after` switches triggers off.

The outbox is read with a cursor of its own. The cursor, the windows of triggers that wait for more than one end, and
the executions that are made move in one transaction: an end is taken once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from rota.executions.values import unsealed
from rota.store import Connection, Store, executions, outbox, triggers
from rota.triggers.firing import Row, Start
from rota.triggers.flow_book import FlowBook, Reaction
from rota.triggers.turn import NEVER, Turn, key_of

logger = logging.getLogger("rota.triggers")
CURSOR = "flow_triggers"
KIND = "flow"
PAGE = 500
DAY = timedelta(days=1)
_ENDS = frozenset(("success", "warning", "failed", "cancelled"))


class FlowEnds:
    """Reads ends of executions and notes what follows."""

    def __init__(self, store: Store, book: FlowBook, unseal: Callable[[str], str]) -> None:
        self._store = store
        self._book = book
        self._unseal = unseal
        self._position: str | None = None
        self._windows: dict[tuple[str, ...], dict[str, Any]] = {}

    def forget(self) -> None:
        """Begin where the store says, the next time."""
        self._position = None
        self._windows.clear()
        self._book.forget()

    def take(self, turn: Turn) -> float | None:
        """Note what follows from the next changes; return at once for more, if there may be more."""
        with self._store.read() as conn:
            if self._position is None:
                self._position = outbox.cursor(conn, CURSOR) or outbox.end(conn)
                turn.writes.append(partial(outbox.move, name=CURSOR, position=self._position))
            changes, position = outbox.after(conn, self._position, PAGE)
            ends = [change for change in changes if change["state"] in _ENDS]
            rows = executions.get_many(conn, list({change["execution_id"] for change in ends}))
        if position == self._position:
            return None
        by_id = {row["id"]: row for row in rows if row["mode"] == "server"}
        reactions = self._book.reactions() if by_id else []
        for change in ends:
            execution = by_id.get(change["execution_id"])
            if execution is not None:
                self._take_end(turn, change, execution, reactions)
        self._position = position
        turn.writes.append(partial(outbox.move, name=CURSOR, position=position))
        return turn.now if len(changes) == PAGE else None

    def _take_end(self, turn: Turn, change: Row, execution: Row, reactions: list[Reaction]) -> None:
        for reaction in reactions:
            if met := reaction.conditions_met_by(execution, change["state"]):
                self._react(turn, reaction, met, self._seen(change, execution))
        started = self._book.trigger(execution)
        if started is not None and change["state"] in started.stop_after:
            turn.writes.append(partial(_stop, execution, started.id, change["state"], turn.now))

    def _react(self, turn: Turn, reaction: Reaction, met: list[int], end: dict[str, Any]) -> None:
        if reaction.trigger.match == "any" or len(reaction.trigger.after) == 1:
            self._start(turn, reaction, [end])
            return
        key = (*key_of(reaction.row), reaction.row["fingerprint"])
        window = self._windows.setdefault(key, dict(reaction.row["state"] or {}))
        window.update({str(number): end for number in met})
        oldest = end["at"] - (reaction.trigger.window or DAY).total_seconds()
        for number in [number for number, one in window.items() if one["at"] < oldest]:
            del window[number]
        if len(window) == len(reaction.trigger.after):
            found = {one["id"]: one for one in window.values()}
            self._start(turn, reaction, sorted(found.values(), key=lambda one: (one["at"], one["id"])))
            window.clear()
        # The reaction's own row is as old as the book: what it remembers is here, and on record.
        row, kept = reaction.row, dict(window)
        turn.writes.append(lambda conn: triggers.remember(conn, row, kept))

    def _start(self, turn: Turn, reaction: Reaction, ends: list[dict[str, Any]]) -> None:
        key = ",".join(sorted(f"{one['id']}:{one['run']}" for one in ends))
        shown = [self._shown(one) for one in ends]
        start = Start(reaction.row, KIND, key, ends[-1]["at"], {"execution": shown[-1], "executions": shown})
        turn.start([start], reaction.flow, reaction.trigger)
        turn.move(reaction.row, next_at=NEVER)

    def _seen(self, change: Row, execution: Row) -> dict[str, Any]:
        names = ("id", "namespace", "flow", "labels", "outputs")
        return {name: execution[name] for name in names} | {
            "run": change["run"],
            "state": change["state"],
            "at": change["created_at"],
        }

    def _shown(self, end: dict[str, Any]) -> dict[str, Any]:
        """Return an end as `trigger.event` has it: with its outputs as values, secrets as secrets."""
        outputs = unsealed(end["outputs"], self._unseal) if end["outputs"] else {}
        ended_at = datetime.fromtimestamp(end["at"], UTC).isoformat()
        kept = {name: end[name] for name in ("id", "namespace", "flow", "run", "state")}
        return {**kept, "labels": end["labels"] or {}, "outputs": outputs, "ended_at": ended_at}


def _stop(execution: Row, trigger: str, state: str, now: float, conn: Connection) -> None:
    if triggers.stop(conn, execution, trigger, state, at=now):
        name = f"`{trigger}` of {execution['namespace']}/{execution['flow']}"
        logger.warning("trigger %s is switched off: execution %s ended in %s", name, execution["id"], state)
