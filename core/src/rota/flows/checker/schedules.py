"""Checks times: cron expressions, dates and timezones."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo

from rota.flows.checker.examination import Examination
from rota.flows.models import Flow
from rota.flows.places import Path
from rota.flows.similar import closest
from rota.flows.triggers import CRON_NAMES, ScheduleTrigger

_HINT = "five fields: minute, hour, day of month, month, day of week; with six, seconds come first"


def check_schedule(exam: Examination, trigger: ScheduleTrigger, path: Path) -> None:
    """Report what is wrong with the times of one schedule."""
    check_timezone(exam, trigger.timezone, (*path, "timezone"))
    if trigger.cron is not None:
        _check_cron(exam, trigger.cron, (*path, "cron"))
    if trigger.dates is not None:
        now = datetime.now(UTC)
        zone = _zone(trigger.timezone or exam.flow.timezone)
        dates = [date if date.tzinfo else date.replace(tzinfo=zone) for date in trigger.dates]
        if all(date < now for date in dates) and not trigger.disabled:
            message = f"all dates of trigger `{trigger.id}` have passed: it starts nothing"
            exam.report("date-passed", message, (*path, "dates"), "give it new dates, or remove it")


def check_clock(exam: Examination, flow: Flow) -> None:
    """Report a wrong timezone of the flow, and a time of day in `sla` that is none."""
    check_timezone(exam, flow.timezone, ("timezone",))
    if flow.sla is not None and flow.sla.done_by is not None:
        try:
            datetime.strptime(flow.sla.done_by, "%H:%M")  # noqa: DTZ007  # a time of day has no zone
        except ValueError:
            message = f"`done_by` must be a time of day, not `{flow.sla.done_by}`"
            exam.report("invalid-value", message, ("sla", "done_by"), 'write it like `"07:30"`')


def check_timezone(exam: Examination, name: str | None, path: Path) -> None:
    """Report a timezone that does not exist."""
    if name is None:
        return
    from zoneinfo import available_timezones

    names = available_timezones()
    if name not in names:
        near = closest(name, names) or closest(name, (known for known in names if name[:2] in known))
        hint = f"did you mean `{near}`?" if near else "write it like `Europe/Paris`"
        exam.report("unknown-timezone", f"there is no timezone `{name}`", path, hint)


def _zone(name: str | None) -> tzinfo:
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name or "UTC")
    except (OSError, ValueError, LookupError):
        return UTC


def _check_cron(exam: Examination, text: str, path: Path) -> None:
    from cronsim import CronSim, CronSimError

    source = CRON_NAMES.get(text.strip().lower(), text)
    start = datetime.now(UTC)
    try:
        next(CronSim(source, start))
    except StopIteration:
        _never(exam, text, path)
    except CronSimError as error:
        if _impossible_day(source):
            _never(exam, text, path)
            return
        known = ", ".join(f"`{name}`" for name in CRON_NAMES)
        hint = f"the names are {known}" if text.startswith("@") else _HINT
        exam.report("invalid-cron", f"`{text}` is no cron expression: {str(error).lower()}", path, hint)


def _never(exam: Examination, text: str, path: Path) -> None:
    exam.report("cron-never-fires", f"`{text}` never fires: there is no such date", path, "check day and month")


def _impossible_day(text: str) -> bool:
    """Say whether an expression would be right if its months had more days: `0 0 30 2 *`."""
    from cronsim import CronSim, CronSimError

    fields = text.split()
    if len(fields) not in (5, 6):
        return False
    month = len(fields) - 2
    try:
        CronSim(" ".join([*fields[:month], "*", *fields[month + 1 :]]), datetime.now(UTC))
        CronSim(" ".join([*fields[: month - 1], "1", *fields[month:]]), datetime.now(UTC))
    except CronSimError:
        return False
    return True
