"""Playbooks on a host over SSH, with its key verified."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from tests.lab.sshd import Sshd
from tests.lab.sshfleet import SshFleet
from tests.lab.sshkeys import KeyPair

from rota import TaskFailed
from rota.testing import RecordedContext
from rota_ansible.module import Module


def ping(sshd: Sshd, **fields: Any) -> Module:
    return module(sshd, module="ansible.builtin.ping", **fields)


def module(sshd: Sshd, **fields: Any) -> Module:
    target = {"name": "db-1", "host": "127.0.0.1", "port": sshd.port, "user": sshd.user}
    target["vars"] = {"ansible_python_interpreter": sys.executable}
    wanted = {
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


def test_a_key_that_is_not_allowed_is_refused_and_the_host_named(ctx: RecordedContext, sshd: Sshd) -> None:
    other = KeyPair.generate(ctx.workdir / "other")
    with pytest.raises(TaskFailed, match=r"host `db-1` could not be reached: .*Permission denied"):
        ping(sshd, known_hosts=sshd.known_hosts.read_text(), private_key=other.private.read_text()).run(ctx)


def test_a_password_lets_in_and_a_wrong_one_does_not(ctx: RecordedContext, ssh_fleet: SshFleet) -> None:
    host = ssh_fleet.host("host-1")
    target = {"name": "db-1", "host": host.address, "port": host.port, "user": ssh_fleet.user}
    known = {"inventory": [target], "known_hosts": ssh_fleet.known_hosts.read_text(), "connect_timeout": 5}
    task = {**known, "module": "ansible.builtin.raw", "args": "echo in"}
    output = Module(**task, password=ssh_fleet.password).run(ctx)
    assert output.hosts["db-1"].result["stdout"] == "in\n"
    with pytest.raises(TaskFailed, match=r"host `db-1` could not be reached: .*Permission denied"):
        Module(**task, password="never-shown").run(ctx)
    assert "never-shown" not in ctx.log.text


def test_a_server_that_dies_in_the_middle_is_told(ctx: RecordedContext, tmp_path: Path) -> None:
    with Sshd.start() as server:
        mark = tmp_path / "begun"

        def kill() -> None:
            while not mark.exists():
                time.sleep(0.05)
            pid = (server.folder / "sshd.pid").read_text().strip()
            subprocess.run(["pkill", "-KILL", "-P", pid], check=False)
            server.kill()
            subprocess.run(["pkill", "-KILL", "-f", f"sleep 60; : {mark}"], check=False)

        threading.Thread(target=kill, daemon=True).start()
        task = module(
            server,
            module="ansible.builtin.raw",
            args=f"touch {mark}; sleep 60; : {mark}",
            known_hosts=server.known_hosts.read_text(),
        )
        with pytest.raises(TaskFailed, match=r"host `db-1` could not be reached"):
            task.run(ctx)
