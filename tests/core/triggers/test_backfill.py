"""Backfills: the dates of a period, few at a time, paused, resumed, and gone on with by another server."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from rota.errors import Conflict, NotFound, UsageError
from rota.triggers.dates import delay_of
from tests.core.triggers.conftest import Clockwork

FLOW = """
id: daily
namespace: data
inputs: [{{id: fail_on, type: string, default: never}}]
triggers:
  - {{id: day, type: schedule, cron: "0 2 * * *", timezone: Europe/Paris}}
  - {{id: hook, type: webhook}}
tasks:
  - {{id: nap, type: sleep, duration: {nap}}}
  - {{id: may_fail, type: assert, conditions: ["trigger.date | date('%F') != inputs.fail_on"]}}
"""
SINCE, UNTIL = (datetime(2026, 3, day, tzinfo=UTC).timestamp() for day in (27, 31))
DAYS = ["2026-03-27T01:00:00", "2026-03-28T01:00:00", "2026-03-29T01:00:00", "2026-03-30T00:00:00"]
"""In the night to the 29th the clocks go forward, at two o'clock."""


def begin(clockwork: Clockwork, nap: str = "0s", **options: Any) -> int:
    clockwork.deploy(FLOW.format(nap=nap))
    return clockwork.app.triggers.backfills.start("data", "daily", "day", since=SINCE, until=UNTIL, **options)


def state(clockwork: Clockwork, number: int) -> str:
    return str(clockwork.app.triggers.backfills.get(number)["state"])


def done(clockwork: Clockwork, number: int) -> list[str]:
    clockwork.until(lambda: state(clockwork, number) == "done", turns=True)
    clockwork.ended("daily", 1)
    return [date.removesuffix("+00:00") for date in clockwork.dates("daily")]


def test_a_backfill_starts_each_date_of_its_period_in_order(clockwork: Clockwork) -> None:
    number = begin(clockwork, inputs={"fail_on": "2026-03-28"})
    assert done(clockwork, number) == DAYS
    rows = sorted(clockwork.executions("daily"), key=lambda row: row["created_at"])
    assert [row["trigger"]["date"][:10] for row in rows] == [day[:10] for day in DAYS]
    assert [row["state"] for row in rows] == ["success", "failed", "success", "success"]
    assert clockwork.app.triggers.backfills.get(number)["started"] == 4


def test_a_date_that_its_jitter_holds_back_is_left_to_the_schedule(
    clockwork: Clockwork,
) -> None:
    source = FLOW.format(nap="0s").replace('cron: "0 2 * * *"', "every: 10m, jitter: 2h")
    clockwork.deploy(source)
    began = time.time() - 6 * 3600
    dates = clockwork.app.triggers.backfills.dates("data", "daily", "day", began, time.time() - 1)
    held_back = [date for date in dates if date + delay_of("data/daily/day", date, 7200) > time.time()]
    assert (held_back, len(dates) < 36, len(dates) > 20) == ([], True, True)
    number = clockwork.app.triggers.backfills.start(
        "data", "daily", "day", since=began, until=time.time() - 1, max_running=50
    )
    clockwork.now = time.time()
    assert len(done(clockwork, number)) == len(dates)


def test_only_missing_dates_are_made_up_for_unless_more_is_asked(clockwork: Clockwork) -> None:
    done(clockwork, begin(clockwork, inputs={"fail_on": "2026-03-28"}))
    assert len(done(clockwork, begin(clockwork))) == 4
    assert len(done(clockwork, begin(clockwork, scope="failed"))) == 5
    assert len(done(clockwork, begin(clockwork, scope="failed"))) == 5, "it has ended well by now"
    assert len(done(clockwork, begin(clockwork, scope="all"))) == 9


def test_no_more_run_at_a_time_than_it_says_and_another_server_goes_on(clockwork: Clockwork) -> None:
    number = begin(clockwork, nap="1h", max_running=2)
    for _ in range(4):
        clockwork.turn()
        clockwork.part.evaluator._forget()
    rows = clockwork.executions("daily")
    assert len(rows) == 2
    clockwork.app.executions.cancel(rows[0]["id"])
    clockwork.until(lambda: clockwork.app.executions.get(rows[0]["id"])["ended_at"])
    clockwork.until(lambda: len(clockwork.executions("daily")) == 3, turns=True)
    clockwork.app.triggers.backfills.cancel(number)
    for row in clockwork.executions("daily"):
        if row["ended_at"] is None:
            clockwork.app.executions.cancel(row["id"])
    clockwork.ended("daily", 3)
    clockwork.turn(after=10)
    assert len(clockwork.executions("daily")) == 3


def test_a_rate_is_kept(clockwork: Clockwork) -> None:
    begin(clockwork, per_minute=2, max_running=10)
    for count in (1, 1, 2, 2, 3):
        clockwork.turn()
        assert len(clockwork.executions("daily")) == count
        clockwork.now += 15.1


def test_a_backfill_waits_while_it_is_paused(clockwork: Clockwork) -> None:
    number = begin(clockwork)
    backfills = clockwork.app.triggers.backfills
    backfills.pause(number)
    clockwork.turn(after=60)
    assert clockwork.executions("daily") == []
    with pytest.raises(Conflict, match="is paused"):
        backfills.pause(number)
    backfills.resume(number)
    assert done(clockwork, number) == DAYS
    with pytest.raises(Conflict, match="is done"):
        backfills.cancel(number)


def test_what_cannot_be_made_up_for_is_told_at_once(clockwork: Clockwork) -> None:
    clockwork.deploy(FLOW.format(nap="0s"))
    start = clockwork.app.triggers.backfills.start
    with pytest.raises(UsageError, match="ends before it begins"):
        start("data", "daily", "day", since=UNTIL, until=SINCE)
    with pytest.raises(UsageError, match="is not over yet"):
        start("data", "daily", "day", since=SINCE, until=time.time() + 3600)
    with pytest.raises(UsageError, match="is no schedule"):
        start("data", "daily", "hook", since=SINCE, until=UNTIL)
    with pytest.raises(NotFound, match="no trigger `nothing`"):
        start("data", "daily", "nothing", since=SINCE, until=UNTIL)
    with pytest.raises(NotFound, match="no flow"):
        start("data", "weekly", "day", since=SINCE, until=UNTIL)
    with pytest.raises(NotFound, match="no backfill 77"):
        clockwork.app.triggers.backfills.get(77)


def test_a_backfill_of_a_flow_that_is_deleted_ends(clockwork: Clockwork) -> None:
    number = begin(clockwork)
    clockwork.app.flows.delete("data", "daily")
    clockwork.turn()
    found = clockwork.app.triggers.backfills.get(number)
    assert (found["state"], found["last_error"]) == ("cancelled", "the flow is not deployed any more")
