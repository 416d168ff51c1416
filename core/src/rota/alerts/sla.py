"""Sees what did not happen: executions that run longer than their flow's `sla` allows, or are not done in time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from rota.alerts.occurrences import Occurrence
from rota.errors import StoreError
from rota.flows.durations import format_duration
from rota.flows.models import Flow
from rota.flows.triggers import ScheduleTrigger
from rota.store import Connection, promises

if TYPE_CHECKING:
    from rota.alerts.flow_book import FlowBook
    from rota.store import Store

logger = logging.getLogger("rota.alerts")
Planned = Callable[[str, Flow, float, float], float | None]
"""Gives the last date, in a span of time (after, until), for which a schedule of a flow in a namespace starts it."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """The last time of day at which a flow was to be done, and since when that counts."""

    at: float
    before: float


def last_deadline(done_by: str, zone: ZoneInfo, now: float) -> Deadline:
    """Return the deadline `HH:MM` that passed last, and the one before it."""
    hour, _, minute = done_by.partition(":")
    clock = time(int(hour), int(minute))
    day = datetime.fromtimestamp(now, zone).date()
    found = [datetime.combine(day - timedelta(days=back), clock, zone).timestamp() for back in range(3)]
    passed = [at for at in found if at <= now]
    return Deadline(passed[0], passed[1])


class SlaWatch:
    """Looks at the deployed flows that have an `sla`."""

    kinds: tuple[str, ...] = ("sla",)

    def __init__(self, store: Store, book: FlowBook, timezone: str, planned: Planned) -> None:
        self._store = store
        self._book = book
        self._timezone = timezone
        self._planned = planned
        self._version: tuple[float, int] | None = None
        self._rows: list[dict[str, Any]] = []
        self._wrong: set[int] = set()

    def look(self, now: float) -> list[Occurrence]:
        """Return every breach there is now."""
        found: list[Occurrence] = []
        with self._store.read() as conn:
            version = promises.version(conn)
            if version != self._version:
                self._rows, self._version = promises.flows_with(conn, "sla"), version
        for row in self._rows:
            flow = self._book.of_revision(row["revision_id"])
            if flow is None or flow.sla is None or row["revision_id"] in self._wrong:
                continue
            try:
                with self._store.read() as conn:
                    found += self._breaches(conn, row, flow, now)
            except StoreError:
                raise
            except Exception as error:  # noqa: BLE001 - a flow that nobody checked must not silence the others
                self._wrong.add(row["revision_id"])
                logger.warning("the `sla` of %s/%s cannot be looked at: %s", row["namespace"], row["id"], error)
        return found

    def _breaches(self, conn: Connection, row: dict[str, Any], flow: Flow, now: float) -> Iterator[Occurrence]:
        assert flow.sla is not None
        name = f"{row['namespace']}/{row['id']}"
        if flow.sla.max_duration is not None:
            limit = flow.sla.max_duration
            slow = promises.running_since(conn, row["namespace"], row["id"], now - limit.total_seconds())
            if slow is not None:
                what = f"{name} runs longer than {format_duration(limit)}"
                yield _breach(row, flow, "max_duration", what, slow["started_at"] + limit.total_seconds(), slow["id"])
        if flow.sla.done_by is not None and not row["disabled"]:
            deadline = last_deadline(flow.sla.done_by, ZoneInfo(flow.timezone or self._timezone), now)
            since = self._expected_since(row, flow, deadline)
            if since is not None and not promises.ended_well_since(conn, row["namespace"], row["id"], since):
                what = f"{name} was not done by {flow.sla.done_by}"
                yield _breach(row, flow, "done_by", what, deadline.at, None)

    def _expected_since(self, row: dict[str, Any], flow: Flow, deadline: Deadline) -> float | None:
        """Return since when an execution was to begin that should have ended well by now; None: none was due."""
        if any(isinstance(trigger, ScheduleTrigger) and not trigger.disabled for trigger in flow.triggers):
            return self._planned(row["namespace"], flow, max(deadline.before, row["created_at"]), deadline.at)
        return deadline.before if row["created_at"] <= deadline.before else None


def _breach(row: dict[str, Any], flow: Flow, which: str, what: str, at: float, execution: str | None) -> Occurrence:
    return Occurrence(
        "sla",
        f"{row['namespace']}/{row['id']} {which}",
        what,
        at,
        state="sla",
        watched=SlaWatch.__name__,
        namespace=row["namespace"],
        flow=row["id"],
        execution_id=execution,
        revision_id=row["revision_id"],
        labels={name: value for name, value in flow.labels.items() if "{{" not in value},
    )
