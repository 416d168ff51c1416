"""When a flow's schedules start it: what an `sla` with `done_by` goes by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rota.alerts.sla import Planned
from rota.flows.models import Flow
from rota.flows.triggers import ScheduleTrigger
from rota.store import triggers
from rota.triggers.dates import After, dates_of

if TYPE_CHECKING:
    from rota.store import Store

_SPANS = (3600.0, 86400.0)
"""How far back the last date is looked for first: a schedule may have a date every second."""


def planned(store: Store, timezone: str) -> Planned:
    """Return what gives the last date of a flow's enabled schedules in a span of time.

    `timezone` is the settings'.
    """

    def last(namespace: str, flow: Flow, after: float, until: float) -> float | None:
        with store.read() as conn:
            known = {row["trigger"]: row for row in triggers.of_flow(conn, namespace, flow.id)}
        found: list[float] = []
        for one in flow.triggers:
            row = known.get(one.id)
            if isinstance(one, ScheduleTrigger) and not one.disabled and row is not None and row["enabled"]:
                dates = dates_of(one, flow.timezone or timezone, row["anchor_at"] or after)
                found += _last(dates, after, until)
        return max(found, default=None)

    return last


def _last(dates: After, after: float, until: float) -> list[float]:
    """Return the last date in a span, or nothing."""
    for start in (*(max(after, until - span) for span in _SPANS), after):
        last: float | None = None
        for date in dates(start):
            if date > until:
                break
            last = date
        if last is not None:
            return [last]
    return []
