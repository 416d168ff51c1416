"""The bank's test of its Ansible code: a cluster is deployed, configured, tested, and always deleted."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.e2e.flowruns import FlowRuns
from tests.lab.ports import free_port, listening_socket

pytestmark = pytest.mark.xdist_group("bank")

FOLDER = Path("/tmp/rota-ansible-test")


def three_ports() -> int:
    """Return the first of three free ports in a row."""
    while True:
        first = free_port()
        try:
            for port in range(first, first + 3):
                listening_socket(port).close()
        except OSError:
            continue
        return first


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_check_finds_nothing(runs: FlowRuns) -> None:
    assert runs.findings("ansible-test") == []


def test_sound_code_builds_a_cluster_which_is_gone_afterwards(runs: FlowRuns) -> None:
    first = three_ports()
    ran = runs.run("ansible-test", {"first_port": first})
    assert (ran.state, ran.problem) == ("success", "")
    assert {name: host["status"] for name, host in ran.outputs["hosts"].items()} == dict.fromkeys(
        ["node-1", "node-2", "node-3"], "ok"
    )
    states = runs.states(ran.id)
    assert [states[f"health[{at}]/ask"] for at in range(3)] == ["success"] * 3
    assert "tell" not in states
    assert not any(answers(port) for port in range(first, first + 3))
    assert not (FOLDER / ran.id).exists()
    assert runs.bank.smtp.mails == []


def test_a_host_that_fails_is_named_with_its_task_and_the_cluster_is_deleted(runs: FlowRuns) -> None:
    first = three_ports()
    with listening_socket(first + 1):
        ran = runs.run("ansible-test", {"first_port": first})
    assert ran.state == "failed"
    assert "`node-2` failed at task `Start the server`" in ran.problem
    states = runs.states(ran.id)
    assert (states["deploy"], states["configure"], states["delete"]) == ("failed", "not_started", "success")
    [mail] = runs.bank.smtp.mails
    assert mail.message["Subject"] == "the Ansible test failed at `deploy`"
    assert "node-2" in mail.message.get_content()
    assert not any(answers(port) for port in range(first, first + 3))
    assert not (FOLDER / ran.id).exists()
