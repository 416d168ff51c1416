"""Schedules: what is due of them, with what was missed."""

from __future__ import annotations

import logging

from rota.flows.models import Flow
from rota.flows.triggers import AnyTrigger, ScheduleTrigger
from rota.triggers.dates import dates_of, look, stamp
from rota.triggers.firing import Row, Start
from rota.triggers.turn import NEVER, Turn

logger = logging.getLogger("rota.triggers")
KIND = "schedule"


class Schedules:
    """Starts what is due of schedules; `timezone` is where they are read unless the flow or they say otherwise."""

    def __init__(self, timezone: str) -> None:
        self._timezone = timezone

    def look(self, turn: Turn, row: Row, flow: Flow, trigger: AnyTrigger) -> None:
        """Start the dates of one schedule that have come, and note when to look again."""
        assert isinstance(trigger, ScheduleTrigger)
        anchor = row["anchor_at"] or turn.now
        mark = anchor if row["high_water_at"] is None else row["high_water_at"]
        after = dates_of(trigger, flow.timezone or self._timezone, anchor)
        name = "/".join((row["namespace"], row["flow"], row["trigger"]))
        found = look(trigger, after, name, mark, turn.now)
        if found.dropped:
            logger.warning(
                "schedule `%s`: %d dates passed without a start, by `on_missed: %s`",
                name, found.dropped, trigger.on_missed,
            )  # fmt: skip
        turn.move(row, high_water_at=found.mark, next_at=NEVER if found.next_at is None else found.next_at)
        turn.start([Start(row, KIND, stamp(date), date) for date in found.dates], flow, trigger)
