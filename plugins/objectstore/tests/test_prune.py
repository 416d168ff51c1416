"""Tests of `objectstore.prune`: the rules by themselves, and against the lab's S3."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rota import TaskFailed
from rota.testing import RecordedContext
from rota_objectstore.listing import List
from rota_objectstore.prune import Prune
from rota_objectstore.put import Put
from rota_objectstore.retention import Backup, Policy

Fields = dict[str, Any]
NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
DATE = r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)"


def kept(policy: Policy, dates: list[datetime]) -> dict[str, list[str]]:
    judged = policy.apply([Backup(date.isoformat(), date) for date in dates], NOW)
    return {one.name[:13]: one.reasons for one in judged if one.reasons}


def test_of_each_period_the_newest_is_kept() -> None:
    nightly = [NOW - timedelta(days=day) for day in range(100)]
    assert kept(Policy(daily=2, weekly=3, monthly=2), nightly) == {
        "2026-03-31T12": ["daily 1", "weekly 1", "monthly 1"],
        "2026-03-30T12": ["daily 2"],
        "2026-03-29T12": ["weekly 2"],
        "2026-03-22T12": ["weekly 3"],
        "2026-02-28T12": ["monthly 2"],
    }


def test_a_series_that_has_stopped_loses_nothing_more() -> None:
    old = [NOW - timedelta(days=1000 + day) for day in range(5)]
    assert len(kept(Policy(daily=5), old)) == 5


def test_a_day_is_one_of_the_time_zone() -> None:
    late = datetime(2026, 3, 30, 23, 30, tzinfo=UTC)
    assert len(kept(Policy(daily=5), [late, NOW])) == 2
    assert len(kept(Policy(daily=5, timezone=ZoneInfo("Europe/Paris")), [late, NOW])) == 1


@given(
    st.lists(st.integers(0, 2000 * 24).map(lambda hours: NOW - timedelta(hours=hours)), unique=True),
    st.integers(0, 5),
    st.integers(0, 5),
    st.integers(0, 5),
)
def test_the_newest_is_kept_and_pruning_again_deletes_nothing(
    dates: list[datetime], last: int, daily: int, monthly: int
) -> None:
    policy = Policy(last=last, daily=daily, monthly=monthly)
    judged = policy.apply([Backup(date.isoformat(), date) for date in dates], NOW)
    left = [one for one in judged if one.reasons]
    if dates and (last or daily or monthly):
        assert left[0].date == max(dates)
    assert len(left) <= last + daily + monthly
    again = policy.apply([Backup(one.name, one.date) for one in left], NOW)
    assert all(one.reasons for one in again)


def fill(ctx: RecordedContext, store: Fields, bucket: str) -> None:
    for day in (1, 2, 3):
        for cluster in ("db-1", "db-2"):
            Put(**store, uri=f"{bucket}/n/2026-01-0{day}/{cluster}.gz", content=cluster).run(ctx)
    Put(**store, uri=f"{bucket}/n/readme.txt", content="x").run(ctx)
    Put(**store, uri=f"{bucket}/n/undated.gz", content="x").run(ctx)


def names(ctx: RecordedContext, store: Fields, bucket: str) -> list[str]:
    return [item.name for item in List(**store, uri=f"{bucket}/n/").run(ctx).objects]


def test_a_plan_says_what_would_go_and_run_does_that(ctx: RecordedContext, store: Fields, bucket: str) -> None:
    fill(ctx, store, bucket)
    task = Prune(**store, uri=f"{bucket}/n/", pattern="*.gz", series=r"([^/]+)\.gz$", date=DATE, keep_last=1)
    before = names(ctx, store, bucket)
    plan: Any = task.plan(ctx)
    assert names(ctx, store, bucket) == before
    pruned = task.run(ctx)
    assert pruned.model_dump(mode="json") == plan
    assert sorted(pruned.deleted) == [f"2026-01-0{day}/db-{number}.gz" for day in (1, 2) for number in (1, 2)]
    assert {one.name: one.reasons for one in pruned.kept} == {
        "2026-01-03/db-1.gz": ["last 1"],
        "2026-01-03/db-2.gz": ["last 1"],
    }
    assert pruned.ignored == ["readme.txt", "undated.gz"]
    assert names(ctx, store, bucket) == ["2026-01-03/db-1.gz", "2026-01-03/db-2.gz", "readme.txt", "undated.gz"]
    assert task.run(ctx).deleted == []


def test_a_backup_may_be_a_folder(ctx: RecordedContext, store: Fields, bucket: str) -> None:
    fill(ctx, store, bucket)
    pruned = Prune(**store, uri=f"{bucket}/n/", backup="folder", date=DATE, keep_daily=2).run(ctx)
    assert (pruned.deleted, pruned.objects, pruned.size) == (["2026-01-01/"], 2, 8)


def test_a_reader_may_not_prune(ctx: RecordedContext, store: Fields, reader: Fields, bucket: str) -> None:
    fill(ctx, store, bucket)
    before = names(ctx, store, bucket)
    with pytest.raises(TaskFailed, match="AccessDenied") as failure:
        Prune(**reader, uri=f"{bucket}/n/", date=DATE, keep_last=1).run(ctx)
    assert failure.value.retryable is False
    assert names(ctx, store, bucket) == before


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "nothing would be kept"),
        ({"keep_within": "1d"}, "nothing would be kept"),
        ({"keep_last": 1, "series": "x"}, "needs a group"),
        ({"keep_last": 1, "series": "("}, "no regular expression"),
        ({"keep_last": 1, "date": r"(?P<year>\d+)"}, "needs the groups"),
        ({"keep_last": 1, "timezone": "Mars/Base"}, "no time zone"),
        ({"keep_last": 1, "uri": "s3://b/n"}, "ends with"),
    ],
)
def test_rules_that_make_no_sense_are_refused(fields: Fields, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Prune.model_validate({"uri": "s3://b/n/", **fields})
