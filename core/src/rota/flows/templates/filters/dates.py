"""Filters for dates and durations."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from rota.errors import ExpressionError
from rota.flows.durations import parse_duration
from rota.flows.templates.arithmetic import kind
from rota.flows.templates.budget import current
from rota.flows.templates.formatting import check_time_format, format_time


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise ExpressionError(
            f"there is no time zone `{str(name)[:60]}`", hint="write it like `Europe/Paris`"
        ) from None


def _default_zone() -> tzinfo:
    """Return the zone of the flow (`flow.timezone`), else UTC."""
    flow = current().names.get("flow")
    name = flow.get("timezone") if hasattr(flow, "get") else None
    return _zone(name or "UTC")


def moment(value: Any) -> Any:
    """Return `value` as an aware datetime: ISO 8601 text, seconds since 1970, or a date; a time of day stays one.

    What names no zone is in the flow's.
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            hint = "give its format: `| to_datetime('%d.%m.%Y')`"
            raise ExpressionError(f"the text `{value[:40]}` is no ISO 8601 date", hint=hint) from None
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value, _default_zone())
        except (ValueError, OverflowError, OSError):
            raise ExpressionError("the number is no time: it is out of range") from None
    elif isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        raise ExpressionError(f"{kind(value)} is no date")
    return value if value.tzinfo else value.replace(tzinfo=_default_zone())


def date_text(value: Any, template: str = "%F") -> str:
    """Return a date as `strftime` writes it: `date('%F')` is `2026-01-31`."""
    return format_time(value if isinstance(value, date) else moment(value), template)


def to_datetime(value: Any, template: str | None = None) -> datetime:
    """Return the aware datetime that a text means, in ISO 8601 or in the `strptime` format `template`."""
    if template is None:
        return moment(value)  # type: ignore[no-any-return]
    check_time_format(template)
    try:
        return moment(datetime.strptime(value, template))  # type: ignore[no-any-return]  # noqa: DTZ007  # `moment` adds the zone
    except (TypeError, ValueError) as error:
        raise ExpressionError(f"the text is no date in this format: {error}") from None


def timestamp(value: Any) -> float:
    """Return the seconds since 1970, whole where they are."""
    seconds = moment(value).timestamp()
    return int(seconds) if seconds == int(seconds) else float(seconds)


def strftime(template: str, second: Any = None, utc: bool = False) -> str:
    """Return the moment `second`, a date or seconds since 1970, in the format that is filtered."""
    if second is None:
        raise ExpressionError("`strftime` needs the time: `'%F' | strftime(now())`")
    return format_time(moment(second).astimezone(_zone("UTC")) if utc else moment(second), template)


def in_timezone(value: Any, name: str) -> datetime:
    """Return the same moment in another time zone."""
    return moment(value).astimezone(_zone(name))  # type: ignore[no-any-return]


def duration(value: Any) -> timedelta:
    """Return the duration that a text, or a number of seconds, means."""
    try:
        return parse_duration(value)
    except ValueError as error:
        raise ExpressionError(str(error)) from None


def add(value: Any, amount: Any) -> Any:
    """Return a date, or a duration, later or longer by a duration: `add('1h30m')`."""
    return _moved(value, duration(amount))


def subtract(value: Any, amount: Any) -> Any:
    """Return a date, or a duration, earlier or shorter by a duration; of two dates, the duration between them."""
    if isinstance(amount, date):
        return moment(value) - moment(amount)
    return _moved(value, -duration(amount))


def _moved(value: Any, by: timedelta) -> Any:
    try:
        return (value if isinstance(value, timedelta) else moment(value)) + by
    except OverflowError:
        raise ExpressionError("the date is out of range") from None


FILTERS = {
    "add": add,
    "date": date_text,
    "duration": duration,
    "in_timezone": in_timezone,
    "strftime": strftime,
    "subtract": subtract,
    "timestamp": timestamp,
    "to_datetime": to_datetime,
}
