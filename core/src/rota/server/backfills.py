"""Backfills of schedules, as the facade offers them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from rota.errors import Conflict, NotFound, UsageError
from rota.flows.triggers import ScheduleTrigger
from rota.store import audit, backfills, flows, triggers
from rota.triggers.backfilling import SCOPES
from rota.triggers.dates import dates_within
from rota.triggers.flow_shelf import FlowShelf

if TYPE_CHECKING:
    from rota.server.application import Application

Row = dict[str, Any]
MOST = 100_000
"""So many dates a backfill may have."""


class Backfills:
    """Start, look at and steer backfills; a server works them off."""

    def __init__(self, app: Application) -> None:
        self._app = app

    def dates(self, namespace: str, flow: str, trigger: str, since: float, until: float) -> list[float]:
        """Return the dates of a schedule from `since` on and before `until`, those left out that its jitter holds back.

        Raises NotFound, and UsageError for a trigger that is no schedule, and for a period with more than `MOST` dates
        or one that is not over.
        """
        if until <= since:
            raise UsageError("the period ends before it begins", hint="`--until` is later than `--since`")
        if until > time.time():
            raise UsageError("the period is not over yet", hint="what is to come, the schedule starts itself")
        with self._app.store.read() as conn:
            revision = flows.newest(conn, namespace, flow)
            there = triggers.get(conn, namespace, flow, trigger)
        if revision is None or there is None:
            what = f"flow `{namespace}/{flow}`" if revision is None else f"trigger `{trigger}` in {namespace}/{flow}"
            raise NotFound(f"there is no {what}", hint="`rota triggers list` shows them")
        shelf = FlowShelf(self._app.store)
        schedule, timezone = shelf.trigger(revision, trigger), shelf.flow(revision).timezone
        if not isinstance(schedule, ScheduleTrigger):
            raise UsageError(f"`{trigger}` is no schedule: it has no dates", hint=f"it is of type `{schedule.type}`")
        name = f"{namespace}/{flow}/{trigger}"
        where = timezone or self._app.settings.timezone
        inside = dates_within(schedule, where, name, since, until, asked_at=time.time())
        found = list(islice(inside(since - 1), MOST + 1))
        if len(found) > MOST:
            raise UsageError(f"the period has more than {MOST:,} dates", hint="make it shorter")
        return found

    def start(
        self,
        namespace: str,
        flow: str,
        trigger: str,
        *,
        since: float,
        until: float,
        scope: str = "missing",
        inputs: Mapping[str, Any] | None = None,
        max_running: int = 1,
        per_minute: float | None = None,
        author: str = "",
    ) -> int:
        """Have a server make up for the dates of a period, and return the backfill's number.

        `scope` is one of `SCOPES`; at most `max_running` of its executions run at a time, and it starts at most
        `per_minute` a minute. Raises as `dates` does.
        """
        if scope not in SCOPES:
            raise UsageError(f"there is no scope `{scope}`", hint=f"it is one of {', '.join(SCOPES)}")
        self.dates(namespace, flow, trigger, since, until)
        now = time.time()
        row = {"namespace": namespace, "flow": flow, "trigger": trigger, "since": since, "until": until}
        row |= {"scope": scope, "inputs": dict(inputs or {}) or None, "max_running": max_running}
        row |= {"per_minute": per_minute, "author": author, "created_at": now}
        with self._app.writable.write() as conn:
            number = backfills.add(conn, **row)
            audit.add(conn, author, "trigger.backfill", f"{namespace}/{flow}/{trigger}", {"id": number}, at=now)
            self._app.store.notify(conn, "triggers")
        self._app.wake()
        return number

    def list(self, *, active: bool = False) -> list[Row]:
        """Return backfills, newest first; `active`: those that have not ended."""
        with self._app.store.read() as conn:
            return backfills.page(conn, active=active)

    def get(self, number: int) -> Row:
        """Return a backfill. Raises NotFound."""
        with self._app.store.read() as conn:
            row = backfills.get(conn, number)
        if row is None:
            raise NotFound(f"there is no backfill {number}", hint="`rota triggers backfills list` shows them")
        return row

    def pause(self, number: int) -> None:
        """Start nothing more of it until it is resumed. Raises NotFound, Conflict."""
        self._change(number, ("running",), state="paused")

    def resume(self, number: int) -> None:
        """Go on with it. Raises NotFound, Conflict."""
        self._change(number, ("paused",), state="running", next_at=time.time())

    def cancel(self, number: int) -> None:
        """Start nothing more of it, for good; what it has started runs on. Raises NotFound, Conflict."""
        self._change(number, backfills.ACTIVE, state="cancelled", ended_at=time.time())

    def _change(self, number: int, only: tuple[str, ...], **values: Any) -> None:
        row = self.get(number)
        with self._app.writable.write() as conn:
            changed = backfills.update(conn, number, only=only, **values)
            self._app.store.notify(conn, "triggers")
        if not changed:
            raise Conflict(f"backfill {number} is {row['state']}", hint="`rota triggers backfills list` shows them")
        self._app.wake()
