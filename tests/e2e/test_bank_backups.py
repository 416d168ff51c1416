"""The bank's backups: dumps over SSH into the object store, proved and pruned, one report, and only the broken again."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
import pytest

from tests.e2e.flowruns import FlowRuns, Ran
from tests.lab.sshfault import Fault

pytestmark = pytest.mark.xdist_group("bank")

NAMES = [f"db-{number:02}" for number in range(1, 10)]
BROKEN = {"db-03": Fault.DOWN, "db-05": Fault.DISK_FULL, "db-08": Fault.WRONG_KEY}


@pytest.fixture
def no_backups(runs: FlowRuns) -> None:
    client = runs.bank.s3.client()
    for bucket in ("backups", "reports"):
        for found in client.list_objects_v2(Bucket=bucket).get("Contents", []):
            client.delete_object(Bucket=bucket, Key=found["Key"])


@pytest.fixture
def ballast(runs: FlowRuns) -> Iterator[None]:
    """More data on db-05 than a full disk of the lab takes."""
    with runs.mongodb("db-05") as client:
        client["ballast"]["noise"].insert_many([{"noise": secrets.token_bytes(1000)} for _ in range(100)])
        yield
        client.drop_database("ballast")


def keys(runs: FlowRuns, folder: str, bucket: str = "backups") -> list[str]:
    found = runs.bank.s3.client().list_objects_v2(Bucket=bucket, Prefix=folder)
    return [each["Key"] for each in found.get("Contents", [])]


def content(runs: FlowRuns, uri: str) -> bytes:
    bucket, key = uri.removeprefix("s3://").split("/", 1)
    return bytes(runs.bank.s3.client().get_object(Bucket=bucket, Key=key)["Body"].read())


def report(runs: FlowRuns, ran: Ran) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(content(runs, ran.outputs["report"].replace(".html", ".json")))
    return found


def dashboard(runs: FlowRuns) -> dict[str, dict[str, Any]]:
    with runs.reference("dashboard") as database:
        return {document["_id"]: document for document in database["backups"].find()}


def test_check_finds_nothing(runs: FlowRuns) -> None:
    assert runs.findings("backups") == []


def test_every_cluster_is_in_the_store_in_the_report_and_on_the_dashboard(runs: FlowRuns, no_backups: None) -> None:
    ran = runs.run("backups")
    assert (ran.state, ran.problem) == ("success", "")
    rows = {row["key"]: row for row in report(runs, ran)["clusters"]}
    assert list(rows) == NAMES
    for name, row in rows.items():
        stored = content(runs, row["uri"])
        assert hashlib.sha256(stored).hexdigest() == row["sha256"]
        documents = bson.decode_all(gzip.decompress(stored))
        assert {document["doc"]["cluster"] for document in documents} == {name}
        assert dashboard(runs)[name]["last_success"]["uri"] == row["uri"]
    table = content(runs, ran.outputs["report"].replace(".html", ".csv")).decode().splitlines()
    assert [row["key"] for row in csv.DictReader(table)] == NAMES
    assert content(runs, ran.outputs["report"]).decode().count('class="bar"') == 9
    assert runs.bank.smtp.mails == []
    assert [path for host in runs.bank.fleet.hosts for path in host.home.glob("rota-backup.*")] == []


def test_three_broken_clusters_are_named_told_and_the_only_ones_that_a_restart_dumps(
    runs: FlowRuns, no_backups: None, ballast: None
) -> None:
    for name, fault in BROKEN.items():
        runs.bank.fleet.set_fault(name, fault)
    ran = runs.run("backups", {"max_failures": "40%"})
    assert (ran.state, ran.outputs["failed"]) == ("warning", list(BROKEN))
    errors = {row["key"]: row["error"] for row in report(runs, ran)["clusters"] if row["state"] != "success"}
    assert list(errors) == list(BROKEN)
    assert "refused" in errors["db-03"]
    assert "too large" in errors["db-05"]
    assert "key" in errors["db-08"]
    [mail] = runs.bank.smtp.mails
    assert all(name in mail.message["Subject"] for name in BROKEN)
    before = dashboard(runs)
    assert {name for name, document in before.items() if document["state"] != "success"} == set(BROKEN)
    assert [path for host in runs.bank.fleet.hosts for path in host.home.glob("rota-backup.*")] == []

    runs.bank.fleet.mend()
    stored = {name: keys(runs, f"nightly/{name}/") for name in NAMES}
    again = runs.restart(ran.id)
    assert (again.state, again.outputs["failed"]) == ("success", [])
    assert {name for name in NAMES if keys(runs, f"nightly/{name}/") != stored[name]} == set(BROKEN)
    assert all(len(keys(runs, f"nightly/{name}/")) == 1 for name in NAMES)
    assert {document["state"] for document in dashboard(runs).values()} == {"success"}
    assert [row["state"] for row in report(runs, again)["clusters"]] == ["success"] * 9
    assert len(runs.bank.smtp.mails) == 1


def test_a_broken_canary_stops_the_rest_before_it_starts(runs: FlowRuns, no_backups: None) -> None:
    runs.bank.fleet.set_fault("db-01", Fault.WRONG_KEY)
    ran = runs.run("backups", {"max_failures": "100%"})
    assert ran.state == "failed"
    assert keys(runs, "nightly/") == []
    [key] = keys(runs, "backups/", "reports")[-1:]
    assert key.endswith(("html", "json", "csv"))
    [mail] = runs.bank.smtp.mails
    assert "0 of 9" in mail.message["Subject"]


def test_without_the_list_of_clusters_the_report_and_the_mail_say_so(runs: FlowRuns, no_backups: None) -> None:
    runs.bank.inventory.fail(403)
    ran = runs.run("backups")
    assert ran.state == "failed"
    assert "403" in ran.problem
    assert len(keys(runs, "backups/", "reports")) == 3
    [mail] = runs.bank.smtp.mails
    assert "0 of 0 clusters" in mail.message["Subject"]


def test_old_backups_go_and_the_newest_stay(runs: FlowRuns, no_backups: None) -> None:
    client = runs.bank.s3.client()
    today = datetime.now(UTC)
    names = [f"{today - timedelta(days=days):%Y-%m-%dT010000Z}.gz" for days in range(1, 31)]
    for name in names:
        client.put_object(Bucket="backups", Key=f"nightly/db-02/{name}", Body=b"old")
    client.put_object(Bucket="backups", Key="nightly/db-02/README", Body=b"no backup")
    assert runs.run("backups").state == "success"
    left = [key.removeprefix("nightly/db-02/") for key in keys(runs, "nightly/db-02/")]
    assert "README" in left
    # Today's is one of the seven days.
    assert set(names[:6]) <= set(left)
    assert 6 < len(set(names).intersection(left)) < 12
    assert len(keys(runs, "nightly/db-03/")) == 1
