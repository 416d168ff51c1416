"""Durations as flows write them: `1h30m`, `250ms`, `PT1H30M`, or a number of seconds."""

from __future__ import annotations

import math
import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_UNITS = {
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
    "us": timedelta(microseconds=1),
}
_NUMBER = r"(\d{1,15}(?:\.\d{1,9})?)"
_UNITS_TEXT = re.compile("".join(rf"(?:{_NUMBER}\s*{unit}(?![a-z])\s*)?" for unit in _UNITS), re.ASCII)
_ISO_TEXT = re.compile(
    rf"P(?=.)(?:{_NUMBER}W)?(?:{_NUMBER}D)?(?:T(?=.)(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?", re.ASCII
)
_SECONDS_TEXT = re.compile(r"\d{1,15}(?:\.\d{1,9})?", re.ASCII)
_HINT = "write it like `1h30m`, `250ms`, `2d`, `PT1H30M`, or as a number of seconds"


def parse_duration(value: Any) -> timedelta:
    """Return the duration that `value` means: text with units, ISO 8601 text, or seconds.

    Units are `w d h m s ms us`, the large ones first. Months and years have no fixed length and are
    refused, as is whatever is below zero. Raises ValueError.
    """
    try:
        duration = _parse(value)
    except OverflowError:
        raise ValueError("the duration is too long") from None
    if duration < timedelta(0):
        raise ValueError(f"a duration cannot be below zero; {_HINT}")
    return duration


def _parse(value: Any) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise ValueError(f"a duration must be finite; {_HINT}")
        return timedelta(seconds=value)
    if not isinstance(value, str):
        raise ValueError(  # noqa: TRY004  # pydantic turns only a ValueError into a finding
            f"a duration cannot be {type(value).__name__}; {_HINT}"
        )
    text = value.strip()
    if _SECONDS_TEXT.fullmatch(text):
        return timedelta(seconds=float(text))
    units, iso = _UNITS_TEXT.fullmatch(text), _ISO_TEXT.fullmatch(text.upper())
    if text and units:
        return _total(units.groups(), _UNITS.values())
    if iso:
        return _total(iso.groups(), [_UNITS[unit] for unit in "wdhms"])
    raise ValueError(f"`{text[:40]}` is not a duration; {_HINT}")


def _total(numbers: Any, units: Any) -> timedelta:
    total = timedelta(0)
    for number, unit in zip(numbers, units, strict=True):
        if number:
            # Whole numbers stay integers: a float would lose microseconds of long durations.
            total += unit * (float(number) if "." in number else int(number))
    return total


def format_duration(duration: timedelta) -> str:
    """Return `duration` as `parse_duration` reads it, exact to the microsecond: `1h30m`, `250ms`, `0s`.

    The largest unit is the day; one below zero gets a leading `-`.
    """
    if duration < timedelta(0):
        return "-" + format_duration(-duration)
    parts = []
    for unit in ("d", "h", "m", "s", "ms", "us"):
        count, duration = divmod(duration, _UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


Duration = Annotated[
    timedelta,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, when_used="json"),
    WithJsonSchema(
        {
            "anyOf": [{"type": "string"}, {"type": "number", "minimum": 0}],
            "description": "a duration: `1h30m`, `250ms`, `PT1H30M`, or a number of seconds",
            "examples": ["30s", "1h30m"],
        }
    ),
]
"""A field that takes a duration and holds a `timedelta`."""
