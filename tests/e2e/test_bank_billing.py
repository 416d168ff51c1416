"""The bank's billing: usage of each cluster, prices, invoices that are written once, a CSV in the object store."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.flowruns import FLOWS, FlowRuns

pytestmark = pytest.mark.xdist_group("bank")

# The prices of the lab: a cluster, and one gigabyte begun.
EACH = "40.25"
TEAMS = {"cards": "80.50", "ledger": "80.50", "loans": "80.50", "payments": "80.50", "risk": "40.25"}


def documents(runs: FlowRuns, collection: str) -> list[dict[str, Any]]:
    with runs.reference("billing") as database:
        return list(database[collection].find().sort("_id"))


def csv(runs: FlowRuns, month: str) -> bytes:
    found = runs.bank.s3.client().get_object(Bucket="billing", Key=f"{month}/invoices.csv")
    return bytes(found["Body"].read())


def test_check_finds_nothing(runs: FlowRuns) -> None:
    assert runs.findings("billing") == []


def test_a_month_that_is_billed_twice_is_billed_once(runs: FlowRuns) -> None:
    first = runs.run("billing", {"month": "2026-01"})
    assert (first.state, first.problem) == ("success", "")
    assert first.outputs == {
        "month": "2026-01",
        "new": 9,
        "invoices": 9,
        "total": "362.25",
        "teams": TEAMS,
        "csv": "s3://billing/2026-01/invoices.csv",
    }
    invoices, readings, table = documents(runs, "invoices"), documents(runs, "readings"), csv(runs, "2026-01")
    assert [invoice["_id"] for invoice in invoices] == [f"2026-01/db-{number:02}" for number in range(1, 10)]
    assert {str(invoice["total"]) for invoice in invoices} == {EACH}
    lines = table.decode().splitlines()
    assert lines[:2] == ["month,cluster,team,gigabytes,base,storage,total", "2026-01,db-01,payments,1,40.00,0.25,40.25"]
    assert len(lines) == 10

    # More data by then changes no reading that was taken, and no invoice that was written.
    with runs.mongodb("db-01") as client:
        client["loyalty"]["points"].insert_many([{"customer": f"c-{at}", "text": "x" * 200} for at in range(500)])
        second = runs.run("billing", {"month": "2026-01"})
        client.drop_database("loyalty")
    assert second.outputs == {**first.outputs, "new": 0}
    assert documents(runs, "invoices") == invoices
    assert documents(runs, "readings") == readings
    assert csv(runs, "2026-01") == table


def test_the_next_month_has_invoices_of_its_own(runs: FlowRuns) -> None:
    runs.run("billing", {"month": "2026-02"})
    assert runs.run("billing", {"month": "2026-03"}).outputs["new"] == 9
    assert len(documents(runs, "invoices")) == 18


def test_a_cluster_that_comes_late_gets_the_only_new_invoice(runs: FlowRuns) -> None:
    runs.bank.inventory.set_clusters(runs.bank.clusters[:8])
    assert runs.run("billing", {"month": "2026-04"}).outputs["invoices"] == 8
    runs.bank.inventory.set_clusters(runs.bank.clusters)
    assert runs.run("billing", {"month": "2026-04"}).outputs["new"] == 1
    assert csv(runs, "2026-04").decode().splitlines()[-1].startswith("2026-04,db-09,")


def test_a_cluster_that_is_down_is_billed_by_the_restart_and_no_other_again(runs: FlowRuns) -> None:
    runs.bank.mongodb.stop_one(2)
    try:
        # Nine clusters: one failure is more than 10 percent.
        ran = runs.run("billing", {"month": "2026-05"})
    finally:
        runs.bank.mongodb.start_one(2)
    assert ran.state == "failed"
    assert runs.states(ran.id)["usage[db-03]/sizes"] == "failed"
    assert documents(runs, "invoices") == []
    before = {reading["_id"]: reading for reading in documents(runs, "readings")}
    assert "2026-05/db-03" not in before

    again = runs.restart(ran.id)
    assert (again.state, again.outputs["total"]) == ("success", "362.25")
    after = {reading["_id"]: reading for reading in documents(runs, "readings")}
    assert len(after) == 9
    assert before.items() <= after.items()


def test_a_month_that_is_none_is_refused(runs: FlowRuns) -> None:
    from rota.errors import InputError

    with pytest.raises(InputError, match="month"):
        runs.run("billing", {"month": "2026-13"})


@pytest.mark.parametrize(
    ("size", "gigabytes", "storage", "total"),
    [
        (0, 0, "0.00", "40.00"),
        (10**9, 1, "0.25", "40.25"),
        (10**9 + 1, 2, "0.50", "40.50"),
        (70 * 10**9, 70, "17.50", "57.50"),
    ],
)
def test_every_gigabyte_begun_costs(tmp_path: Path, size: int, gigabytes: int, storage: str, total: str) -> None:
    reading = {"_id": "2026-01/db-01", "month": "2026-01", "cluster": "db-01", "team": "cards", "bytes": size}
    given = {"prices": {"cluster_month": 40.0, "gigabyte_month": 0.25}, "readings": [reading]}
    source, target = tmp_path / "input.json", tmp_path / "output.json"
    source.write_text(json.dumps(given))
    environment = {"ROTA_INPUT": str(source), "ROTA_OUTPUT": str(target)}
    subprocess.run([sys.executable, FLOWS / "billing" / "invoices.py"], env=environment, check=True)
    [invoice] = json.loads(target.read_text())["invoices"]
    assert invoice["gigabytes"] == gigabytes
    assert (invoice["storage"], invoice["total"]) == ({"$numberDecimal": storage}, {"$numberDecimal": total})
