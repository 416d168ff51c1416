"""Playbooks, modules and inventories on this machine."""

from __future__ import annotations

import fcntl
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.lab.sshkeys import KeyPair

from rota import TaskFailed
from rota.testing import RecordedContext, RunFlow
from rota_ansible.files import private_folder
from rota_ansible.inventory import Inventory
from rota_ansible.module import Module
from rota_ansible.playbook import Playbook

LOCAL: dict[str, Any] = {
    "all": {
        "hosts": {
            name: {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
            for name in ("one", "two")
        }
    }
}


def playbook(tasks: list[dict[str, Any]], **fields: Any) -> Playbook:
    plays = [{"hosts": "all", "gather_facts": False, "tasks": tasks}]
    return Playbook.model_validate({"plays": plays, "inventory": LOCAL, **fields})


def test_a_playbook_says_how_each_host_ended_and_what_it_set(ctx: RecordedContext, tmp_path: Path) -> None:
    target = tmp_path / "written"
    tasks: list[dict[str, Any]] = [
        {
            "name": "write",
            "ansible.builtin.copy": {"content": "{{ text }}", "dest": f"{target}-{{{{ inventory_hostname }}}}"},
        },
        {"name": "count", "ansible.builtin.set_stats": {"data": {"answer": 42}}, "run_once": True},
    ]
    output = playbook(tasks, extra_vars={"text": "written by ansible"}).run(ctx)
    assert output.hosts["one"].status == "changed"
    assert output.changed == ["one", "two"]
    assert output.failed == []
    assert output.stats == {"answer": 42}
    assert (tmp_path / "written-one").read_text() == "written by ansible"


def test_a_host_that_fails_names_itself_and_its_task(ctx: RecordedContext) -> None:
    tasks = [
        {
            "name": "only on two",
            "ansible.builtin.fail": {"msg": "the disk is full"},
            "when": "inventory_hostname == 'two'",
        }
    ]
    with pytest.raises(TaskFailed, match="host `two` failed at task `only on two`: the disk is full") as caught:
        playbook(tasks).run(ctx)
    assert caught.value.output.failed == ["two"]
    assert caught.value.output.hosts["one"].status == "ok"


def test_a_failure_that_the_playbook_ignores_is_a_warning(ctx: RecordedContext) -> None:
    output = playbook([{"ansible.builtin.fail": {"msg": "never mind"}, "ignore_errors": True}]).run(ctx)
    assert output.hosts["one"].status == "ok"
    assert output.hosts["one"].ignored == 1
    said = [line.level for line in ctx.log.lines if "never mind" in line.message]
    assert said
    assert set(said) == {"warning"}


def test_plays_that_match_no_host_are_warned_about(ctx: RecordedContext) -> None:
    plays = [{"name": "theirs", "hosts": "mongodb", "gather_facts": False, "tasks": [{"ansible.builtin.ping": {}}]}]
    assert playbook([], plays=plays).run(ctx).hosts == {}
    warnings = [line.message for line in ctx.log.lines if line.level == "warning"]
    assert warnings == [
        "[WARNING]: Could not match supplied host pattern, ignoring: mongodb",
        "skipping: no hosts matched",
        "no task has run on any host: do the plays' `hosts` match the inventory?",
    ]


def test_a_host_that_cannot_be_reached_is_told_apart(ctx: RecordedContext) -> None:
    unreachable = {"all": {"hosts": {"gone": {"ansible_host": "127.0.0.1", "ansible_port": 1}}}}
    with pytest.raises(TaskFailed, match="host `gone` could not be reached") as caught:
        playbook([{"ansible.builtin.ping": {}}], inventory=unreachable, connect_timeout=2).run(ctx)
    assert caught.value.output.unreachable == ["gone"]
    assert caught.value.retryable is not False


def test_a_playbook_that_is_no_playbook_is_never_tried_again(ctx: RecordedContext) -> None:
    with pytest.raises(TaskFailed) as caught:
        playbook([{"no_such_module_at_all": {}}]).run(ctx)
    assert caught.value.retryable is False


def test_a_missing_playbook_is_told_with_the_way_out(ctx: RecordedContext) -> None:
    with pytest.raises(TaskFailed, match=r"there is no playbook `site\.yml`"):
        Playbook(playbook=Path("site.yml")).run(ctx)


def test_a_plan_is_check_mode_with_differences(ctx: RecordedContext, tmp_path: Path) -> None:
    target = tmp_path / "planned"
    task = playbook([{"name": "write", "ansible.builtin.copy": {"content": "x", "dest": str(target)}}])
    planned: Any = task.plan(ctx)
    assert planned["changed"] == ["one", "two"]
    assert planned["differences"]["one"][0]["task"] == "write"
    assert not target.exists()


def test_no_secret_is_in_an_argument_or_a_log_or_left_in_a_file(
    ctx: RecordedContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, memory = tmp_path / "seen", tmp_path / "memory"
    memory.mkdir()
    monkeypatch.setattr("rota_ansible.files.MEMORY", memory)
    script = f"cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' > {seen}"
    script += f"; find {memory} -name extravars > {tmp_path / 'holding'}"
    tasks = [{"name": "look", "ansible.builtin.shell": script, "no_log": True}]
    key = KeyPair.generate(tmp_path / "key").private.read_text()
    given = {"password": "login-pw", "become_password": "hunter2-pw", "vault_password": "vault-pw", "private_key": key}
    playbook(tasks, extra_vars={"token": "s3cr3t-value"}, **given).run(ctx)
    told = seen.read_text(errors="replace")
    assert "ansible-playbook" in told
    for secret in ("s3cr3t-value", "login-pw", "hunter2-pw", "vault-pw", key.splitlines()[1]):
        assert secret not in told
        assert secret not in ctx.log.text
    assert f"{memory}/rota-ansible-" in (tmp_path / "holding").read_text(), "it was there while it was needed"
    assert list(memory.iterdir()) == []
    assert "hunter2-pw" not in repr(playbook(tasks, become_password="hunter2-pw"))


def test_a_module_gives_what_it_returned_on_each_host(ctx: RecordedContext) -> None:
    output = Module(module="ansible.builtin.command", args="echo hello", inventory=LOCAL).run(ctx)
    assert output.hosts["two"].result["stdout"] == "hello"


def test_a_loop_that_fails_says_what_failed_of_it(ctx: RecordedContext) -> None:
    loop = {
        "name": "check disks",
        "ansible.builtin.fail": {"msg": "the disk {{ item }} is full"},
        "when": "item != 'sdb'",
        "loop": ["sda", "sdb", "sdc"],
    }
    message = "item `sda`: the disk sda is full; item `sdc`: the disk sdc is full"
    with pytest.raises(TaskFailed, match=message):
        playbook([loop]).run(ctx)


def test_the_arguments_of_a_module_are_nobody_elses_to_read_and_gone_afterwards(ctx: RecordedContext) -> None:
    look = "stat -c '%a %n' rota-module.yml"
    args = {"cmd": look, "chdir": str(ctx.workdir)}
    task = Module(module="ansible.builtin.command", args=args, inventory=LOCAL)
    for _ in range(2):
        assert task.run(ctx).hosts["one"].result["stdout"] == "600 rota-module.yml"
    assert list(ctx.workdir.glob("rota-*")) == []


def test_a_plan_of_a_module_is_check_mode_with_differences(ctx: RecordedContext, tmp_path: Path) -> None:
    target = tmp_path / "planned"
    args = {"content": "x", "dest": str(target)}
    planned: Any = Module(module="ansible.builtin.copy", args=args, inventory=LOCAL).plan(ctx)
    assert planned["changed"] == ["one", "two"]
    assert planned["differences"]["two"][0]["diff"]
    assert not target.exists()


def test_private_files_of_a_process_that_died_are_removed_by_the_next(
    ctx: RecordedContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rota_ansible.files.MEMORY", tmp_path)
    left, young, held = (tmp_path / f"rota-ansible-{name}" for name in ("left", "young", "held"))
    for folder in (left, young, held):
        folder.mkdir()
    for folder in (left, held):
        (folder / "lock").touch()
    with (held / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with private_folder(ctx) as own, private_folder(ctx) as other:
            assert set(tmp_path.glob("rota-ansible-*")) == {young, held, own, other}


def test_an_inventory_file_of_the_flow_is_taken(ctx: RecordedContext) -> None:
    (ctx.workdir / "hosts.ini").write_text("[db]\nxyz ansible_connection=local\n")
    assert list(playbook([{"ansible.builtin.meta": "noop"}], inventory="hosts.ini").run(ctx).hosts) in ([], ["xyz"])
    assert [target.name for target in Inventory(inventory="hosts.ini").run(ctx).targets] == ["xyz"]


def test_an_inventory_becomes_targets(ctx: RecordedContext) -> None:
    text = "[mongodb]\ndb-1 ansible_host=10.0.0.1 port=27017\ndb-2\n[all:vars]\nsite=paris\n"
    found = Inventory(inventory=text).run(ctx)
    assert [target.name for target in found.targets] == ["db-1", "db-2"]
    assert found.targets[0].host == "10.0.0.1"
    assert found.targets[0].groups == ["mongodb"]
    assert found.targets[1].vars["site"] == "paris"
    assert found.groups["mongodb"] == ["db-1", "db-2"]


@pytest.mark.parametrize("text", ["[grp\nh1", "a: [\n"])
def test_an_inventory_that_cannot_be_read_is_a_failure_and_not_an_empty_one(ctx: RecordedContext, text: str) -> None:
    with pytest.raises(TaskFailed, match="Failed to parse inventory") as failure:
        Inventory(inventory=text).run(ctx)
    assert failure.value.retryable is False
    with pytest.raises(TaskFailed, match="Completely failed to parse inventory"):
        playbook([{"ansible.builtin.ping": {}}], inventory=text).run(ctx)


def test_a_module_that_gives_no_result_is_told_with_what_it_said(ctx: RecordedContext, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'no python for you' >&2\necho 'try another day' >&2\nexit 1\n")
    python.chmod(0o755)
    variables = {"ansible_connection": "local", "ansible_python_interpreter": str(python)}
    broken = {"all": {"hosts": {"one": variables}}}
    with pytest.raises(TaskFailed, match="no python for you") as failure:
        Module(module="ansible.builtin.ping", inventory=broken).run(ctx)
    assert "try another day" not in failure.value.message


def test_an_inventory_that_is_not_there_is_told(ctx: RecordedContext) -> None:
    with pytest.raises(TaskFailed, match=r"there is no inventory `hosts\.ini`"):
        Inventory(inventory="hosts.ini").run(ctx)


@pytest.mark.parametrize("where", ["task", "flow"])
def test_what_ansible_has_started_has_ended_when_its_task_has(run_flow: RunFlow, tmp_path: Path, where: str) -> None:
    """A task that is too late is ended as one that is cancelled; a flow that is too late cancels its tasks."""
    mark, late = tmp_path / "pid", "timeout: 6s"
    run = run_flow(
        f"""
        id: slow
        {late if where == "flow" else "timeout: 1h"}
        tasks:
          - id: wait
            type: ansible.module
            module: ansible.builtin.shell
            args: "echo $$ > {mark}; exec sleep 300"
            inventory: "localhost,"
            extra_vars: {{ansible_connection: local, ansible_python_interpreter: {sys.executable}}}
            {late if where == "task" else "timeout: 1h"}
        finally:
          - {{id: look, type: shell, command: "if grep -q sleep /proc/$(cat {mark})/cmdline; then echo alive; else echo gone; fi"}}
        """
    )
    assert run.state == "failed", run.error
    assert ("timeout" if where == "task" else "took too long") in run.error
    assert "gone" in run.log, run.log
    assert "alive" not in run.log
