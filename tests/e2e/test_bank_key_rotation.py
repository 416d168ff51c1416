"""The bank's key rotation: whatever kills it, and wherever, nobody is locked out and the next run completes it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from tests.e2e.flowruns import FLOWS, FlowRuns, flow_runs
from tests.lab import vaultseed
from tests.lab.bank import bank

pytestmark = pytest.mark.xdist_group("bank")

AUTHENTICATION_FAILED = 18
NAMES = [f"db-{number:02}" for number in range(1, 10)]


def current(runs: FlowRuns, name: str) -> tuple[str, int]:
    """Return the password that applications read, and its version."""
    found = runs.bank.vault.request("GET", f"secret/data/clusters/{name}")["data"]
    return found["data"]["password"], found["metadata"]["version"]


def staged(runs: FlowRuns, name: str) -> dict[str, str]:
    """Return what is staged for a cluster: the name of the path to the password."""
    vault = runs.bank.vault
    headers = {"X-Vault-Token": vault.token}
    url = f"{vault.url}/v1/secret/metadata/staged/clusters/{name}?list=true"
    answer = httpx.get(url, headers=headers, trust_env=False)
    names = answer.json()["data"]["keys"] if answer.status_code == 200 else []
    found: dict[str, str] = {}
    for each in names:
        path = f"secret/data/staged/clusters/{name}/{each}"
        with suppress(httpx.HTTPStatusError):  # it may go while one looks
            found[each] = vault.request("GET", path)["data"]["data"]["password"]
    return found


def logs_in(runs: FlowRuns, name: str, password: str) -> bool:
    uri = f"mongodb://{runs.bank.mongodb.address(NAMES.index(name))}/"
    with MongoClient[dict[str, Any]](uri, username="app", password=password, authSource="admin") as client:
        try:
            client["shop"]["orders"].find_one()
        except OperationFailure as error:
            if error.code != AUTHENTICATION_FAILED:
                raise
            return False
        return True


def set_password(runs: FlowRuns, name: str, password: str) -> None:
    with runs.mongodb(name) as client:
        client.admin.command("updateUser", "app", pwd=password)


def is_whole(runs: FlowRuns, name: str, old: str) -> bool:
    """Whether Vault's password is a new one, logs in, and nothing is left over."""
    password, _ = current(runs, name)
    return password != old and logs_in(runs, name, password) and not logs_in(runs, name, old) and not staged(runs, name)


def test_check_finds_nothing(runs: FlowRuns) -> None:
    assert runs.findings("key-rotation") == []


def test_every_cluster_has_a_new_password_which_nobody_sees(runs: FlowRuns) -> None:
    before = {name: current(runs, name) for name in NAMES}
    ran = runs.run("key-rotation")
    assert (ran.state, ran.problem) == ("success", "")
    assert [(row["key"], row["proved"]) for row in ran.outputs["clusters"]] == [(name, True) for name in NAMES]
    for name, (old, version) in before.items():
        assert current(runs, name)[1] == version + 1
        assert is_whole(runs, name, old)
    secrets = [password for name in NAMES for password in (before[name][0], current(runs, name)[0])]
    store = b"".join(path.read_bytes() for path in runs.app.settings.home.rglob("*") if path.is_file())
    assert [secret for secret in secrets if secret in ran.log or secret.encode() in store] == []


@pytest.mark.parametrize("reached", ["staged", "set", "promoted"])
def test_what_a_run_left_is_completed_by_the_next(runs: FlowRuns, reached: str) -> None:
    name, new = "db-04", f"left-by-a-run-{reached}"
    old, version = current(runs, name)
    vaultseed.put_secret(runs.bank.vault, f"staged/clusters/{name}/v{version}", {"password": new})
    if reached != "staged":
        set_password(runs, name, new)
    if reached == "promoted":
        vaultseed.put_secret(runs.bank.vault, f"clusters/{name}", {"username": "app", "password": new})
    ran = runs.run("key-rotation", {"clusters": [name]})
    assert (ran.state, ran.problem) == ("success", "")
    assert is_whole(runs, name, old)
    if reached != "promoted":
        assert current(runs, name) == (new, version + 1)


def test_a_cluster_that_cannot_be_reached_keeps_its_password_and_is_completed_by_a_restart(runs: FlowRuns) -> None:
    old, version = current(runs, "db-06")
    runs.bank.mongodb.stop_one(5)
    try:
        execution = runs.app.executions.run_file(runs.flow("key-rotation"), {"clusters": ["db-06"]})
        runs.wait_for(lambda: bool(staged(runs, "db-06")))
        runs.app.executions.cancel(execution)
        assert runs.app.executions.wait(execution, 30) is not None
    finally:
        runs.bank.mongodb.start_one(5)
    assert current(runs, "db-06") == (old, version)
    [kept] = staged(runs, "db-06").values()
    assert logs_in(runs, "db-06", old)
    assert runs.restart(execution).state == "success"
    assert current(runs, "db-06") == (kept, version + 1)
    assert is_whole(runs, "db-06", old)


@pytest.mark.parametrize("effects", [6, 15, 30, 45])
def test_a_kill_locks_nobody_out_and_a_restart_completes_it(runs: FlowRuns, effects: int) -> None:
    """It dies after so many effects over all clusters, of which several are under way."""
    before = {name: current(runs, name) for name in NAMES}
    argv = [sys.executable, "-m", "rota", "run", "--plain", str(FLOWS / "key-rotation" / "flow.yaml")]
    failpoint = {"ROTA_SETTINGS": str(runs.settings), "ROTA_FAILPOINT": f"task.after_effect:{effects}"}
    process = subprocess.run(argv, env=os.environ | failpoint, stdout=subprocess.DEVNULL, timeout=120, check=False)
    assert process.returncode == -signal.SIGKILL
    for name in NAMES:
        known = [current(runs, name)[0], *staged(runs, name).values()]
        assert any(logs_in(runs, name, password) for password in known), name
    [row] = runs.app.executions.list()
    # Whether a write that was under way took effect does not matter: every cluster begins by looking.
    again = runs.restart(row["id"], run_lost=True)
    assert (again.state, again.problem) == ("success", "")
    assert [name for name, (old, _) in before.items() if not is_whole(runs, name, old)] == []


def reached(runs: FlowRuns, name: str, old: str, version: int) -> str:
    """Return the last boundary that was passed, by what Vault and MongoDB say."""
    if current(runs, name)[1] > version:
        return "promoted" if staged(runs, name) else "unstaged"
    if not staged(runs, name):
        return "nothing"
    return "staged" if logs_in(runs, name, old) else "set"


def completed(runs: FlowRuns, execution: str, name: str, old: str) -> None:
    """Have another server take over, restart what it gives up, and see that all is well in the end."""
    known = [current(runs, name)[0], *staged(runs, name).values()]
    assert any(logs_in(runs, name, password) for password in known)
    with runs.served():
        if runs.ended(execution).state != "success":
            again = runs.restart(execution, run_lost=True)
            assert (again.state, again.problem) == ("success", "")
    assert is_whole(runs, name, old)


# Which task run of the flow it is, of those that run code, with one cluster.
STEPS = {"nothing": 4, "staged": 5, "set": 7, "promoted": 8, "unstaged": 9}


@pytest.mark.parametrize("point", ["task.after_effect", "outcome.after_commit"])
@pytest.mark.parametrize("boundary", STEPS)
def test_a_server_that_is_killed_exactly_there_locks_nobody_out_and_the_next_completes_it(
    runs: FlowRuns, boundary: str, point: str
) -> None:
    # Before what was done is on record, and right after it: `set` includes that the old password was seen refused.
    name = "db-03"
    old, version = current(runs, name)
    execution = runs.start_deployed("key-rotation", {"clusters": [name]})
    with runs.served(f"{point}:{STEPS[boundary]}") as server:
        assert server.wait(60) == -signal.SIGKILL
    assert reached(runs, name, old, version) == boundary
    completed(runs, execution, name, old)


def test_a_server_that_is_killed_between_set_and_proof_locks_nobody_out(runs: FlowRuns) -> None:
    name = "db-07"
    old, version = current(runs, name)
    slow_logins = {"failCommands": ["saslStart", "saslContinue"], "blockConnection": True, "blockTimeMS": 5_000}
    with runs.mongodb(name) as client:
        client.admin.command(
            "configureFailPoint", "failCommand", mode="alwaysOn", data={**slow_logins, "appName": "rota"}
        )
        try:
            execution = runs.start_deployed("key-rotation", {"clusters": [name]})
            with runs.served() as server:
                # What proves it has to log in first, which takes longer than to see that it is set, and to kill.
                runs.wait_for(lambda: reached(runs, name, old, version) == "set")
                server.send_signal(signal.SIGKILL)
                server.wait(60)
        finally:
            client.admin.command("configureFailPoint", "failCommand", mode="off")
    assert runs.states(execution)["rotate[db-07]/set"] != "success"
    assert reached(runs, name, old, version) == "set"
    completed(runs, execution, name, old)


@pytest.mark.parametrize("boundary", ["staged", "set", "promoted"])
def test_databases_that_are_killed_lock_nobody_out_and_a_restart_completes_it(tmp_path: Path, boundary: str) -> None:
    with bank(2, durable=True) as running, flow_runs(running, tmp_path) as runs:
        name = "db-01"
        old, version = current(runs, name)
        order = [*STEPS]
        execution = runs.app.executions.run_file(runs.flow("key-rotation"), {})
        runs.wait_for(lambda: order.index(reached(runs, name, old, version)) >= order.index(boundary))
        running.mongodb.kill()
        running.mongodb.restart()
        known = [current(runs, name)[0], *staged(runs, name).values()]
        assert any(logs_in(runs, name, password) for password in known)
        if runs.ended(execution, 120).state != "success":
            again = runs.restart(execution, patience=120)
            assert (again.state, again.problem) == ("success", "")
        assert is_whole(runs, name, old)
