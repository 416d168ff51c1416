"""A whole night: a server backs up 57 clusters, three of which break in three ways."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.flowruns import FlowRuns, Ran, flow_runs
from tests.lab.bank import bank
from tests.lab.smtp import Mail
from tests.lab.sshfault import Fault

pytestmark = pytest.mark.xdist_group("bank")

NAMES = [f"db-{number:02}" for number in range(1, 58)]
BROKEN = {"db-07": Fault.DOWN, "db-23": Fault.DISK_FULL, "db-41": Fault.WRONG_KEY}
BATCHES = [NAMES[:1], *(NAMES[first : first + 12] for first in range(1, 57, 12))]
PATIENCE = 240
ROUNDING = timedelta(milliseconds=5)


@pytest.fixture
def night(tmp_path: Path) -> Iterator[FlowRuns]:
    """A bank of 57 clusters, three of them broken: db-23 has more data than its full disk takes."""
    with bank(57) as running, flow_runs(running, tmp_path) as runs:
        with runs.mongodb("db-23") as client:
            client["ballast"]["noise"].insert_many([{"noise": secrets.token_bytes(1000)} for _ in range(100)])
        for name, fault in BROKEN.items():
            running.fleet.set_fault(name, fault)
        yield runs


def published(runs: FlowRuns, ran: Ran, kind: str) -> str:
    key = ran.outputs["report"].removeprefix("s3://reports/").replace(".html", f".{kind}")
    return str(runs.bank.s3.client().get_object(Bucket="reports", Key=key)["Body"].read().decode())


def rows(runs: FlowRuns, ran: Ran) -> dict[str, dict[str, Any]]:
    return {row["key"]: row for row in json.loads(published(runs, ran, "json"))["clusters"]}


def stored(runs: FlowRuns) -> dict[str, datetime]:
    """Return when each object of the night's backups was written."""
    found = runs.bank.s3.client().list_objects_v2(Bucket="backups", Prefix="nightly/")
    return {each["Key"]: each["LastModified"] for each in found.get("Contents", [])}


def times(row: dict[str, Any]) -> tuple[datetime, datetime]:
    """Return when a target started and ended."""
    started = datetime.fromisoformat(row["started"])
    return started, started + timedelta(seconds=row["duration"])


def most_at_once(found: dict[str, dict[str, Any]]) -> int:
    spans = [times(row) for row in found.values()]
    return max(sum(start <= moment < end for start, end in spans) for moment, _ in spans)


def alerts(runs: FlowRuns) -> list[Mail]:
    """Return the mails of the alert rule, and not those that the flow sends itself."""
    return [mail for mail in runs.bank.smtp.mails if not mail.message["Subject"].startswith("backups of ")]


def test_three_of_57_break_and_are_named_told_and_the_only_ones_done_again(night: FlowRuns) -> None:
    with night.served():
        execution = night.start_deployed("backups")
        ran = night.ended(execution, PATIENCE)
        assert (ran.state, ran.outputs["failed"]) == ("warning", list(BROKEN))
        first = rows(night, ran)
        assert list(first) == NAMES
        assert 1 < most_at_once(first) <= 30
        for before, after in pairwise(BATCHES):
            ended = max(times(first[name])[1] for name in before)
            assert ended <= min(times(first[name])[0] for name in after) + ROUNDING
        errors = {name: row["error"] for name, row in first.items() if row["state"] != "success"}
        assert list(errors) == list(BROKEN)
        for name, why in zip(BROKEN, ("refused", "too large", "key"), strict=True):
            assert why in errors[name]
        page = published(night, ran, "html")
        assert page.count('class="bar"') == 54
        assert [name for name in BROKEN if f"<td>{name}" in page.partition('class="bar"')[0]] == list(BROKEN)
        assert published(night, ran, "csv").count("\n") == 58
        with night.reference("dashboard") as database:
            assert database["backups"].count_documents({"state": "success"}) == 54
            assert database["backups"].count_documents({}) == 57
        night.wait_for(lambda: bool(alerts(night)))
        [alert] = alerts(night)
        assert "backups" in alert.message["Subject"]
        text = alert.message.get_content()
        assert [name for name in BROKEN if name in text] == list(BROKEN)

        night.bank.fleet.mend()
        kept = stored(night)
        assert len(kept) == 54
        again = night.restart(execution, patience=PATIENCE)
        assert (again.state, again.outputs["failed"]) == ("success", [])
        second = rows(night, again)
        assert [name for name in NAMES if second[name]["started"] != first[name]["started"]] == list(BROKEN)
        assert stored(night).items() >= kept.items()
        assert len(stored(night)) == 57
