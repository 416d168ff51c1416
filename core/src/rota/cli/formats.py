"""Ids, times, durations and foreign text as a person reads them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from typing import Any

SHORT_ID = 16
"""An id begins with its time in milliseconds; so many characters are as good as unique."""

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def short_id(id: str) -> str:
    """Return the beginning of an id, which commands take for the whole."""
    return id[:SHORT_ID]


def clean(text: str) -> str:
    """Return foreign text without what would steer a terminal: colours, cursor moves, other control characters."""
    return _CONTROLS.sub("\N{REPLACEMENT CHARACTER}", _ESCAPES.sub("", text.replace("\r\n", "\n")))


def first_line(text: str, width: int = 200) -> str:
    """Return the first line of foreign text, shortened to `width` characters."""
    line = next((line for line in clean(text).splitlines() if line.strip()), "").strip()
    return line if len(line) <= width else f"{line[: width - 1]}…"


def time_text(at: float | None, zone: tzinfo = UTC) -> str:
    """Return a time (seconds since 1970) to the second."""
    return "" if at is None else datetime.fromtimestamp(at, zone).strftime("%Y-%m-%d %H:%M:%S")


def clock_text(at: float, zone: tzinfo = UTC) -> str:
    """Return the time of day to the second."""
    return datetime.fromtimestamp(at, zone).strftime("%H:%M:%S")


def duration_text(seconds: float | None) -> str:
    """Return a duration roughly: `0.4s`, `12s`, `3m05s`, `2h03m`, `1d04h`."""
    if seconds is None:
        return ""
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    for size, inner, unit, inner_unit in ((86400, 3600, "d", "h"), (3600, 60, "h", "m"), (60, 1, "m", "s")):
        if whole >= size:
            return f"{whole // size}{unit}{whole % size // inner:02d}{inner_unit}"
    return f"{whole}s"


def counts_text(counts: dict[str, int]) -> str:
    """Return how many are in which state: `55 success, 2 failed`."""
    order = ("failed", "lost", "running", "retrying", "paused", "success", "warning", "skipped", "cancelled")
    known = [state for state in order if counts.get(state)]
    return ", ".join(f"{counts[state]} {state}" for state in [*known, *sorted(counts.keys() - set(order) - {"total"})])


def problem_text(problem: dict[str, Any] | None) -> str:
    """Return the first line of what went wrong."""
    return first_line(problem["message"]) if problem else ""
