"""The dates of schedules against a walk over every minute of ten years, and what a look at a schedule gives."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from rota.flows.triggers import ScheduleTrigger
from rota.triggers.dates import dates_of, delay_of, look, stamp

BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)
CRONS = {
    "30 2 * * *": ({30}, {2}, None, None, False),
    "0 0 29 2 *": ({0}, {0}, {29}, {2}, False),
    "15 1 * * 0": ({15}, {1}, None, None, True),
    "*/20 1-3 * * *": ({0, 20, 40}, {1, 2, 3}, None, None, False),
    "10 */6 1,15 * *": ({10}, {0, 6, 12, 18}, {1, 15}, None, False),
    "0 3 L * *": ({0}, {3}, "last", None, False),
}
"""Each with its minutes, hours, days of the month (None: any), months, and whether it is for Sundays alone."""


def schedule(**fields: Any) -> ScheduleTrigger:
    return ScheduleTrigger.model_validate({"id": "s", "type": "schedule", **fields})


def _matches(cron: str, at: datetime) -> bool:
    minutes, hours, days, months, sundays = CRONS[cron]
    if at.minute not in minutes or at.hour not in hours or (sundays and at.isoweekday() != 7):
        return False
    if days == "last":
        return (at + timedelta(days=1)).day == 1
    return (days is None or at.day in days) and (months is None or at.month in months)


def walk(zone: ZoneInfo) -> dict[str, list[float]]:
    """Return when each expression fires, from every minute of the ten years, as Debian's cron reads clock changes."""
    found: dict[str, list[float]] = {cron: [] for cron in CRONS}
    real = {cron: cron.split()[0].startswith("*") or cron.split()[1].startswith("*") for cron in CRONS}
    wanted = set().union(*(minutes for minutes, *_ in CRONS.values()))
    at, last = int(BEGIN.timestamp()), int(END.timestamp())
    before = datetime.fromtimestamp(at - 60, zone).replace(tzinfo=None)
    while at < last:
        # Clocks change at the beginning of a block of five minutes, and never inside.
        beginning = datetime.fromtimestamp(at, zone)
        fold, beginning = beginning.fold, beginning.replace(tzinfo=None, fold=0)
        skipped = list(_skipped(before, beginning))
        for minute in range(5):
            if not skipped and beginning.minute + minute not in wanted:
                continue
            local = beginning + timedelta(minutes=minute)
            for cron, dates in found.items():
                late = not real[cron] and minute == 0 and any(_matches(cron, one) for one in skipped)
                if late or (_matches(cron, local) and (real[cron] or not fold)):
                    dates.append(float(at + 60 * minute))
        before, at = beginning + timedelta(minutes=4), at + 300
    return found


def _skipped(before: datetime, now: datetime) -> Iterator[datetime]:
    minute = before + timedelta(minutes=1)
    while minute < now:
        yield minute
        minute += timedelta(minutes=1)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "name", ["Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Santiago"]
)
def test_ten_years_of_schedules_start_every_date_once_however_the_clock_goes(name: str) -> None:
    truth = walk(ZoneInfo(name))
    for number, (cron, dates) in enumerate(truth.items()):
        clock = random.Random(number)
        one = schedule(cron=cron, timezone=name, on_missed="all", max_missed=10_000)
        after = dates_of(one, "UTC", 0.0)
        now = mark = BEGIN.timestamp() - 1
        started: list[float] = []
        while now < END.timestamp() - 1:
            now += clock.choice((30, 3_600, 86_400, 20 * 86_400, -1_800))
            found = look(one, after, "n", mark, min(now, END.timestamp() - 1))
            started += found.dates
            mark = found.mark
        assert [stamp(date) for date in started] == [stamp(date) for date in dates], cron


def test_every_counts_from_its_anchor() -> None:
    after = dates_of(schedule(every="90s"), "UTC", anchor=1000.7)
    assert [next(after(at)) for at in (0.0, 1000.0, 1089.9, 1090.0, 5000.0)] == [1090, 1090, 1090, 1180, 5050]


def test_dates_without_an_offset_are_in_the_timezone() -> None:
    dates = ["2026-07-01T08:00:00", "2026-01-01T08:00:00+00:00"]
    after = dates_of(schedule(dates=dates, timezone="Europe/Paris"), "UTC", 0.0)
    assert [stamp(date) for date in after(0.0)] == ["2026-01-01T08:00:00Z", "2026-07-01T06:00:00Z"]
    assert list(after(datetime(2027, 1, 1, tzinfo=UTC).timestamp())) == []


def test_names_and_six_fields() -> None:
    midnight = datetime(2026, 5, 5, tzinfo=UTC).timestamp()
    assert next(dates_of(schedule(cron="@Daily"), "UTC", 0.0)(midnight - 1)) == midnight
    seconds = dates_of(schedule(cron="*/20 * * * * *"), "UTC", 0.0)(midnight)
    assert [next(seconds) - midnight for _ in range(3)] == [20, 40, 60]


@pytest.mark.parametrize(
    ("on_missed", "started", "dropped"),
    [("all", [3, 4, 5, 6], 0), ("last", [6], 3), ("none", [], 4)],
)
def test_what_was_missed_is_made_up_for_as_the_schedule_says(on_missed: str, started: list[int], dropped: int) -> None:
    hourly = schedule(cron="0 * * * *", on_missed=on_missed)
    found = look(hourly, dates_of(hourly, "UTC", 0.0), "n", 2 * 3600.0, 6.5 * 3600)
    assert [date / 3600 for date in found.dates] == started
    assert (found.mark, found.next_at, found.dropped) == (6 * 3600, 7 * 3600, dropped)


@pytest.mark.parametrize("on_missed", ["all", "last", "none"])
def test_what_comes_a_little_late_was_not_missed(on_missed: str) -> None:
    often = schedule(every="1s", on_missed=on_missed)
    found = look(often, dates_of(often, "UTC", 0.0), "n", 100.0, 103.4)
    assert found.dates == (101.0, 102.0, 103.0)


def test_no_more_is_made_up_for_than_the_schedule_allows_however_long_it_slept() -> None:
    often = schedule(cron="* * * * * *", on_missed="all", max_missed=5)
    now = datetime(2030, 1, 1, tzinfo=UTC).timestamp()
    found = look(often, dates_of(often, "UTC", 0.0), "n", 0.0, now)
    late = [now - date for date in found.dates if now - date > 60]
    assert late == [65.0, 64.0, 63.0, 62.0, 61.0]
    assert found.mark == now


def test_a_clock_that_is_put_back_starts_nothing_twice() -> None:
    hourly = schedule(cron="0 * * * *")
    after = dates_of(hourly, "UTC", 0.0)
    mark = look(hourly, after, "n", 0.0, 3600.0).mark
    for now in (1800.0, 3599.0, 3600.0, 7199.0):
        found = look(hourly, after, "n", mark, now)
        assert (found.dates, found.next_at) == ((), 7200.0)
    assert look(hourly, after, "n", mark, 7200.0).dates == (7200.0,)


def test_jitter_is_the_same_for_the_same_date_and_keeps_the_order() -> None:
    often = schedule(every="10s", jitter="30s")
    after = dates_of(often, "UTC", 0.0)
    delays = [delay_of("n", date, 30.0) for date in range(10, 1000, 10)]
    assert delays == [delay_of("n", date, 30.0) for date in range(10, 1000, 10)]
    assert delays != [delay_of("other", date, 30.0) for date in range(10, 1000, 10)]
    assert all(0 <= delay < 30 for delay in delays)
    started: list[float] = []
    mark, now = 0.0, 0.0
    while now < 1000:
        found = look(often, after, "n", mark, now)
        assert all(date <= now for date in found.dates)
        assert found.next_at is not None
        started += found.dates
        mark, now = found.mark, max(now + 0.5, found.next_at)
    assert started == [float(date) for date in range(10, 10 * len(started) + 10, 10)]


@pytest.mark.parametrize(("every", "jitter", "hours"), [("10s", "2h", 12), ("60s", "36h", 96)])
def test_a_long_jitter_loses_nothing(every: str, jitter: str, hours: int) -> None:
    often = schedule(every=every, jitter=jitter, on_missed="all", max_missed=100)
    after = dates_of(often, "UTC", 0.0)
    mark = now = begin = 1_800_000_000.0
    started: list[float] = []
    while now < begin + hours * 3600:
        found = look(often, after, "n", mark, now)
        assert found.next_at is not None
        started += found.dates
        mark, now = found.mark, min(max(now + 30, found.next_at), now + 600)
    step = often.every.total_seconds() if often.every else 0.0
    assert len(started) > 100
    assert started == [begin + step * number for number in range(1, len(started) + 1)]
