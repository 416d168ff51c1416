"""Backfills under way: the dates of a period started in order, a few at a time and so many a minute at the most."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import islice
from typing import Any

from rota.errors import RotaError
from rota.flows.models import Flow
from rota.flows.triggers import ScheduleTrigger
from rota.store import Store, backfills, triggers
from rota.triggers.dates import dates_within, stamp
from rota.triggers.firing import Row, Start
from rota.triggers.flow_shelf import FlowShelf
from rota.triggers.turn import Turn

logger = logging.getLogger("rota.triggers")
KIND = "backfill"
AT_ONCE = 100
"""So many dates of a backfill are looked at in one turn."""
LOOK_AGAIN = 1.0
"""Seconds until a backfill that waits for its executions to end is looked at again."""
SCOPES = {
    "missing": "dates that never started",
    "failed": "those, and dates whose execution did not end well",
    "all": "every date",
}
"""What a backfill makes up for."""
_WELL = ("success", "warning")


class Backfilling:
    """Takes each running backfill as far as its limits allow. All that it knows is on record: a crash loses nothing."""

    def __init__(self, store: Store, shelf: FlowShelf, timezone: str) -> None:
        self._store = store
        self._shelf = shelf
        self._timezone = timezone

    def forget(self) -> None:
        """Drop nothing: all that it knows is on record."""

    def take(self, turn: Turn) -> float | None:
        """Start what may start of all backfills; return when there is more to do."""
        with self._store.read() as conn:
            rows = backfills.running(conn)
        times = [self._take(turn, row) for row in rows if (row["next_at"] or 0.0) <= turn.now]
        times += [row["next_at"] for row in rows if (row["next_at"] or 0.0) > turn.now]
        return min(times, default=None)

    def _take(self, turn: Turn, row: dict[str, Any]) -> float:
        try:
            flow, trigger = self._definition(row)
        except RotaError as error:
            _change(turn, row, state="cancelled", last_error=error.message, ended_at=turn.now)
            return turn.now
        with self._store.read() as conn:
            free = row["max_running"] - backfills.alive(conn, row)
        if free <= 0:
            return turn.now + LOOK_AGAIN
        dates = list(islice(self._dates(row, flow, trigger), AT_ONCE))
        if not dates:
            _change(turn, row, state="done", ended_at=turn.now)
            return turn.now
        return self._start(turn, row, flow, trigger, dates, free)

    def _start(
        self, turn: Turn, row: dict[str, Any], flow: Flow, trigger: ScheduleTrigger, dates: list[float], free: int
    ) -> float:
        pause = 60.0 / row["per_minute"] if row["per_minute"] else 0.0
        wanted = self._wanted(row, dates)
        chosen = [date for date in dates if date in wanted][: 1 if pause else free]
        # Up to the last that is started, or past all of them where none is wanted.
        position = chosen[-1] if chosen else dates[-1]
        target = {name: row[name] for name in ("namespace", "flow", "trigger", "revision_id")}
        errors = []
        for date in chosen:
            start = Start(
                target, KIND, f"{stamp(date)}#{row['id']}", date, {"backfill": row["id"]}, row["inputs"] or {}
            )
            made = turn.firing.make(start, flow, trigger)
            turn.made.append(made)
            if made.error:
                errors.append(f"{stamp(date)}: {made.error}")
        next_at = turn.now + (pause if chosen else 0.0)
        _change(
            turn,
            row,
            position_at=position,
            started=row["started"] + len(chosen) - len(errors),
            next_at=next_at,
            last_error=errors[-1] if errors else row["last_error"],
        )
        return next_at

    def _wanted(self, row: dict[str, Any], dates: list[float]) -> set[float]:
        if row["scope"] == "all":
            return set(dates)
        keys = {stamp(date): date for date in dates}
        with self._store.read() as conn:
            states = triggers.fired_keys(conn, row["namespace"], row["flow"], row["trigger"], list(keys))
        redo = row["scope"] == "failed"
        done = {key for key, state in states.items() if not redo or state in _WELL or not state}
        return {date for key, date in keys.items() if key not in done}

    def _dates(self, row: dict[str, Any], flow: Flow, trigger: ScheduleTrigger) -> Iterator[float]:
        # From the second before the period on, since dates are those after a time.
        after = row["since"] - 1 if row["position_at"] is None else row["position_at"]
        name = "/".join((row["namespace"], row["flow"], row["trigger"]))
        timezone = flow.timezone or self._timezone
        period = dates_within(trigger, timezone, name, row["since"], row["until"], asked_at=row["created_at"])
        return period(after)

    def _definition(self, row: Row) -> tuple[Flow, ScheduleTrigger]:
        if row["revision_id"] is None:
            raise RotaError("the flow is not deployed any more")
        trigger = self._shelf.trigger(row["revision_id"], row["trigger"])
        if not isinstance(trigger, ScheduleTrigger):
            raise RotaError(f"the trigger `{trigger.id}` is no schedule any more")
        return self._shelf.flow(row["revision_id"]), trigger


def _change(turn: Turn, row: dict[str, Any], **values: Any) -> None:
    # Somebody may have paused or cancelled it meanwhile: then only what was started counts.
    number = row["id"]
    turn.writes.append(lambda conn: backfills.update(conn, number, **values) or None)
