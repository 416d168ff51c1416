"""Playbooks on a host over SSH, with its key verified."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from tests.lab.sshd import Sshd

from rota import TaskFailed
from rota.testing import RecordedContext
from rota_ansible.module import Module


def ping(sshd: Sshd, **fields: Any) -> Module:
    target = {"name": "db-1", "host": "127.0.0.1", "port": sshd.port, "user": sshd.user}
    target["vars"] = {"ansible_python_interpreter": sys.executable}
    wanted = {
        "module": "ansible.builtin.ping",
        "inventory": [target],
        "connect_timeout": 5,
        "private_key": sshd.key.private.read_text(),
    }
    return Module.model_validate({**wanted, **fields})


def test_a_module_runs_over_ssh_on_a_host_whose_key_is_known(ctx: RecordedContext, sshd: Sshd) -> None:
    output = ping(sshd, known_hosts=sshd.known_hosts.read_text()).run(ctx)
    assert output.hosts["db-1"].result["ping"] == "pong"


def test_a_host_whose_key_is_not_known_is_refused(ctx: RecordedContext, sshd: Sshd) -> None:
    with pytest.raises(TaskFailed, match="could not be reached"):
        ping(sshd, known_hosts="").run(ctx)


def test_a_host_key_is_not_verified_only_when_a_flow_says_so(ctx: RecordedContext, sshd: Sshd) -> None:
    assert ping(sshd, known_hosts="", host_key="accept_any_insecure").run(ctx).failed == []
