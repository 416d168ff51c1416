"""The bank's inventory: clusters of the API, facts over SSH and MongoDB, what is different from the day before."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.flowruns import FlowRuns
from tests.lab.sshfault import Fault

pytestmark = pytest.mark.xdist_group("bank")

NOTHING: dict[str, Any] = {"appeared": [], "changed": {}, "vanished": [], "unreachable": {}}
NAMES = [f"db-{number:02}" for number in range(1, 10)]


def known(runs: FlowRuns) -> dict[str, dict[str, Any]]:
    with runs.reference() as database:
        return {document["_id"]: document for document in database["clusters"].find()}


def test_check_finds_nothing(runs: FlowRuns) -> None:
    assert runs.findings("inventory") == []


def test_the_first_day_every_cluster_appears_and_the_second_nothing_is_different(runs: FlowRuns) -> None:
    first = runs.run("inventory")
    assert (first.state, first.problem) == ("success", "")
    assert first.outputs["changes"] == {**NOTHING, "appeared": NAMES}
    documents = known(runs)
    assert list(documents) == NAMES
    one = documents["db-02"]
    listed = runs.bank.clusters[1]
    assert {"name": one["_id"], **{field: one[field] for field in listed if field != "name"}} == listed
    assert one["system"]["cpus"] >= 1
    assert one["databases"].count("shop") == 1
    assert one["reachable"] is True

    second = runs.run("inventory")
    assert (second.state, second.outputs["changes"]) == ("success", NOTHING)
    again = known(runs)
    assert {name: document["first_seen"] for name, document in again.items()} == {
        name: document["first_seen"] for name, document in documents.items()
    }
    assert again["db-02"]["seen"] > one["seen"]
    with runs.reference() as database:
        assert {document["_id"] for document in database["inventory_reports"].find()} == {first.id, second.id}


def test_what_appeared_changed_or_vanished_is_reported(runs: FlowRuns) -> None:
    clusters = runs.bank.clusters
    runs.bank.inventory.set_clusters(clusters[:8])
    assert runs.run("inventory").state == "success"
    runs.bank.inventory.set_clusters([clusters[0], {**clusters[1], "team": "loans"}, *clusters[3:]])
    ran = runs.run("inventory")
    assert ran.outputs["changes"] == {
        "appeared": ["db-09"],
        "changed": {"db-02": {"team": ["cards", "loans"]}},
        "vanished": ["db-03"],
        "unreachable": {},
    }
    assert runs.read(ran.outputs["report"]).decode().splitlines() == [
        "8 clusters: 1 appeared, 1 changed, 1 vanished, 0 unreachable",
        "+ db-09 appeared",
        "- db-03 vanished",
        "~ db-02 team: cards -> loans",
    ]
    gone = known(runs)["db-03"]
    assert gone["vanished"] > gone["seen"]
    assert gone["version"]
    assert runs.run("inventory").outputs["changes"] == NOTHING

    runs.bank.inventory.set_clusters(clusters)
    assert runs.run("inventory").outputs["changes"]["appeared"] == ["db-03"]
    assert "vanished" not in known(runs)["db-03"]


def test_a_new_database_on_a_cluster_is_a_change(runs: FlowRuns) -> None:
    runs.run("inventory")
    with runs.mongodb("db-05") as client:
        client["loyalty"]["points"].insert_one({"customer": "c-1"})
        ran = runs.run("inventory")
        client.drop_database("loyalty")
    assert list(ran.outputs["changes"]["changed"]) == ["db-05"]
    before, after = ran.outputs["changes"]["changed"]["db-05"]["databases"]
    assert set(after) - set(before) == {"loyalty"}


def test_a_cluster_that_does_not_answer_is_named_and_keeps_its_facts(runs: FlowRuns) -> None:
    runs.run("inventory")
    before = known(runs)["db-04"]
    runs.bank.fleet.set_fault("db-04", Fault.DOWN)
    ran = runs.run("inventory")
    assert ran.state == "warning"
    assert list(ran.outputs["changes"]["unreachable"]) == ["db-04"]
    after = known(runs)["db-04"]
    assert (after["reachable"], after["system"], after["asked"]) == (False, before["system"], before["asked"])
    assert known(runs)["db-05"]["reachable"] is True


def test_an_api_that_lists_too_few_makes_nothing_vanish(runs: FlowRuns) -> None:
    runs.run("inventory")
    runs.bank.inventory.set_clusters(runs.bank.clusters[:1])
    ran = runs.run("inventory", {"min_clusters": 5})
    assert ran.state == "failed"
    assert all("vanished" not in document for document in known(runs).values())
