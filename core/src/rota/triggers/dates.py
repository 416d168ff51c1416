"""The dates of a schedule: pure, in seconds since 1970, in the order of time.

Cron expressions are read as Debian's cron reads them where clocks change: a job at a fixed time that the change skips
runs right after it, and once when the hour comes twice; one with `*` in the hour or minute follows real time.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from rota.flows.triggers import CRON_NAMES, ScheduleTrigger

ON_TIME = 60.0
"""A date that is found no later than so many seconds counts as in time, and not as missed."""
_SPANS = (3_600.0, 86_400.0, 31 * 86_400.0)
"""How far back dates are looked for at first: of a schedule that was asleep for years only the newest are wanted."""

After = Callable[[float], Iterator[float]]
"""Gives the dates after a time, in order, as many as are asked for."""


def dates_of(schedule: ScheduleTrigger, timezone: str, anchor: float) -> After:
    """Return the dates of a schedule.

    `timezone` is where `cron` and `dates` are read unless the schedule has its own; `every` counts from `anchor`.
    """
    zone = ZoneInfo(schedule.timezone or timezone)
    if schedule.cron is not None:
        return _cron(CRON_NAMES.get(schedule.cron.strip().lower(), schedule.cron), zone)
    if schedule.every is not None:
        return _every(schedule.every.total_seconds(), math.floor(anchor))
    dates = schedule.dates or []
    return _listed(sorted({(date if date.tzinfo else date.replace(tzinfo=zone)).timestamp() for date in dates}))


def _cron(expression: str, zone: ZoneInfo) -> After:
    from cronsim import CronSim

    def after(at: float) -> Iterator[float]:
        # Fractions of a second are cut off first: a date that has just passed would be given again.
        for date in CronSim(expression, datetime.fromtimestamp(math.floor(at), zone)):
            moment = date.timestamp()
            if moment > at:
                yield moment

    return after


def _every(seconds: float, anchor: float) -> After:
    def after(at: float) -> Iterator[float]:
        number = max(1, math.floor((at - anchor) / seconds) + 1)
        while True:
            yield anchor + number * seconds
            number += 1

    return after


def _listed(dates: list[float]) -> After:
    return lambda at: iter(dates[bisect_right(dates, at) :])


def stamp(date: float) -> str:
    """Return a date as the key of its firing: `2026-11-27T02:00:00Z`."""
    return datetime.fromtimestamp(date, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def delay_of(name: str, date: float, jitter: float) -> float:
    """Return how much later than its date a start is, in seconds: the same for the same trigger and date."""
    if not jitter:
        return 0.0
    digest = hashlib.blake2b(f"{name} {stamp(date)}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64 * jitter


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a schedule gives: the dates to start now, the new mark, and when to look again."""

    dates: tuple[float, ...]
    mark: float
    next_at: float | None
    dropped: int = 0
    """So many dates that passed are not made up for."""


def look(schedule: ScheduleTrigger, after: After, name: str, mark: float, now: float) -> Look:
    """Return what a schedule starts at `now`, given that everything up to `mark` has been dealt with.

    Dates start in order, each after its own delay. Those that were missed are made up for as `on_missed` says; a clock
    that was put back finds nothing new until it has passed `mark` again.
    """
    jitter = schedule.jitter.total_seconds()
    passed: list[float] = []
    for date in _between(after, mark, now, schedule.max_missed):
        if date + delay_of(name, date, jitter) > now:
            break
        passed.append(date)
    chosen, dropped = _chosen(schedule, passed, now - ON_TIME - jitter)
    mark = max(mark, passed[-1]) if passed else mark
    upcoming = next(after(mark), None)
    # Whatever was passed over lies behind the mark; what is to come may still wait for its delay.
    next_at = None if upcoming is None else upcoming + delay_of(name, upcoming, jitter)
    return Look(tuple(chosen), mark, next_at, dropped)


def _between(after: After, mark: float, now: float, most: int) -> Iterator[float]:
    """Yield the dates after `mark` up to `now`, but after a long sleep not many more than the newest `most`."""
    wanted = most + int(ON_TIME) + 1
    for span in _SPANS:
        if now - span <= mark:
            break
        found = list(_until(after(now - span), now))
        if len(found) >= wanted:
            yield from found
            return
    yield from _until(after(mark), now)


def _until(dates: Iterator[float], last: float) -> Iterator[float]:
    for date in dates:
        if date > last:
            return
        yield date


def _chosen(schedule: ScheduleTrigger, passed: list[float], late: float) -> tuple[list[float], int]:
    in_time = [date for date in passed if date >= late]
    missed = passed[: len(passed) - len(in_time)]
    if schedule.on_missed == "all":
        made_up = missed[-schedule.max_missed :]
    elif schedule.on_missed == "last" and not in_time:
        made_up = missed[-1:]
    else:
        made_up = []
    return [*made_up, *in_time], len(missed) - len(made_up)
