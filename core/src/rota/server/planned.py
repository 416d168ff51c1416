"""When a flow's schedules start it: what an `sla` with `done_by` goes by."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from rota.alerts.sla import Planned
from rota.flows.checker.schedules import CRON_NAMES
from rota.flows.models import Flow
from rota.flows.triggers import ScheduleTrigger


def planned(timezone: str) -> Planned:
    """Return what gives the last date of a flow's schedules in a span of time; `timezone` is the settings'."""

    def last(_: str, flow: Flow, after: float, until: float) -> float | None:
        zone = ZoneInfo(flow.timezone or timezone)
        schedules = [one for one in flow.triggers if isinstance(one, ScheduleTrigger) and not one.disabled]
        found = [date for one in schedules if (date := _last(one, zone, after, until)) is not None]
        return max(found, default=None)

    return last


def _last(schedule: ScheduleTrigger, zone: ZoneInfo, after: float, until: float) -> float | None:
    zone = ZoneInfo(schedule.timezone) if schedule.timezone else zone
    if schedule.every is not None:
        # Where it counts from is not known here: it is due at least once in its own length.
        return max(after, until - schedule.every.total_seconds()) if until > after else None
    if schedule.dates is not None:
        dates = [(date if date.tzinfo else date.replace(tzinfo=zone)).timestamp() for date in schedule.dates]
        return max((date for date in dates if after < date <= until), default=None)
    return _last_of_cron(schedule.cron or "", zone, after, until)


def _last_of_cron(text: str, zone: ZoneInfo, after: float, until: float) -> float | None:
    from cronsim import CronSim, CronSimError

    source = CRON_NAMES.get(text.strip().lower(), text)
    try:
        # It gives dates before the one it is told.
        date = next(CronSim(source, datetime.fromtimestamp(until + 1, zone), reverse=True)).timestamp()
    except (CronSimError, StopIteration):
        return None
    return date if after < date <= until else None
