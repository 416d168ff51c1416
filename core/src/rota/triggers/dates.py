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
from datetime import UTC, datetime, timedelta, tzinfo
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


def dates_within(
    schedule: ScheduleTrigger, timezone: str, name: str, since: float, until: float, *, asked_at: float
) -> After:
    """Return the dates from `since` on and before `until`, as far as they could have started by `asked_at`.

    One that its jitter holds back then, and what comes after it, is the schedule's own to start. `name` is the
    trigger's, as for `delay_of`.
    """
    after, jitter = dates_of(schedule, timezone, since), schedule.jitter.total_seconds()

    def inside(at: float) -> Iterator[float]:
        for date in after(at):
            if date >= until or date + delay_of(name, date, jitter) > asked_at:
                return
            if date >= since:
                yield date

    return inside


def _cron(expression: str, zone: ZoneInfo) -> After:
    fixed = not any(field.startswith("*") for field in expression.split()[-5:-3])

    def after(at: float) -> Iterator[float]:
        last = at
        waiting: list[float] = []
        for local in _local_dates(expression, datetime.fromtimestamp(math.floor(at), zone)):
            moments = _moments(local, zone, fixed=fixed)
            # The second pass of an hour that comes twice lies behind the whole of its first.
            waiting = sorted([*waiting, *moments])
            while waiting and waiting[0] <= _first_pass(local, zone):
                moment = waiting.pop(0)
                if moment > last:
                    yield moment
                    last = moment

    return after


def _local_dates(expression: str, start: datetime) -> Iterator[datetime]:
    """Yield the times on the wall clock that an expression names, without a timezone.

    CronSim's own handling of timezones is left out: it misses dates where a change is not a whole hour (Lord Howe).
    """
    from cronsim import CronSim

    wall = start.replace(tzinfo=None, fold=0)
    twice = _offset(wall, start.tzinfo, fold=0) - _offset(wall, start.tzinfo, fold=1)
    if start.fold == 0 and twice > timedelta(0):
        wall -= twice  # what came before in this hour comes again
    for date in CronSim(expression, wall.replace(tzinfo=UTC)):
        yield date.replace(tzinfo=None)


def _moments(local: datetime, zone: ZoneInfo, *, fixed: bool) -> list[float]:
    """Return when a wall clock shows a time: never where it is skipped, twice where it is repeated.

    With `fixed` it is the moment of the change where it is skipped, and the first time where it is repeated.
    """
    before, later = _offset(local, zone, fold=0), _offset(local, zone, fold=1)
    first = _first_pass(local, zone)
    if before == later:
        return [first]
    if before > later:
        return [first] if fixed else [first, first + (before - later).total_seconds()]
    return [_change(first - (later - before).total_seconds(), first, zone)] if fixed else []


def _first_pass(local: datetime, zone: ZoneInfo) -> float:
    return local.replace(tzinfo=zone, fold=0).timestamp()


def _offset(local: datetime, zone: tzinfo | None, *, fold: int) -> timedelta:
    return local.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta(0)


def _change(low: float, high: float, zone: ZoneInfo) -> float:
    """Return the second in (low, high] at which the clocks change."""
    old = datetime.fromtimestamp(low, zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, zone).utcoffset() == old:
            low = middle
        else:
            high = middle
    return high


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
    for date in _between(after, mark, now, schedule.max_missed, jitter):
        if date + delay_of(name, date, jitter) > now:
            break
        passed.append(date)
    chosen, dropped = _chosen(schedule, passed, now - ON_TIME - jitter)
    mark = max(mark, passed[-1]) if passed else mark
    upcoming = next(after(mark), None)
    # Whatever was passed over lies behind the mark; what is to come may still wait for its delay.
    next_at = None if upcoming is None else upcoming + delay_of(name, upcoming, jitter)
    return Look(tuple(chosen), mark, next_at, dropped)


def _between(after: After, mark: float, now: float, most: int, jitter: float) -> Iterator[float]:
    """Yield the dates after `mark` up to `now`, but after a long sleep not many more than the newest `most`."""
    wanted = most + int(ON_TIME) + 1
    come = now - jitter  # a date after this may still wait for its delay: it was not missed
    for span in _SPANS:
        if come - span <= mark:
            break
        found = list(_until(after(come - span), come))
        if len(found) >= wanted:
            yield from found
            yield from _until(after(come), now)
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
