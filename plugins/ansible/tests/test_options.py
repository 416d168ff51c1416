"""What a playbook may be told: tags, limits, variables, roles and collections, vaults, targets; and what it prints."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from rota import TaskFailed
from rota.testing import RecordedContext
from rota_ansible.module import Module
from rota_ansible.playbook import Playbook

VARIABLES = {"ansible_connection": "local", "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
LOCAL: dict[str, Any] = {"all": {"hosts": dict.fromkeys(("one", "two", "three"), VARIABLES)}}


def playbook(tasks: list[dict[str, Any]], **fields: Any) -> Playbook:
    plays = [{"hosts": "all", "gather_facts": False, "tasks": tasks, **fields.pop("play", {})}]
    return Playbook.model_validate({"plays": plays, "inventory": LOCAL, **fields})


def say(text: str, **more: Any) -> dict[str, Any]:
    return {"name": text, "ansible.builtin.debug": {"msg": text}, **more}


def test_tags_and_a_limit_choose(ctx: RecordedContext) -> None:
    tasks = [say("first", tags=["a"]), say("second", tags=["b"]), say("third", tags=["a", "b"])]
    output = playbook(tasks, tags=["a"], skip_tags=["b"], limit="one,three").run(ctx)
    assert set(output.hosts) == {"one", "three"}
    assert "first" in ctx.log.text
    assert "second" not in ctx.log.text
    assert "third" not in ctx.log.text
    assert output.hosts["one"].ok == 1


def test_targets_of_a_fleet_are_an_inventory(ctx: RecordedContext) -> None:
    targets = [{"name": name, "host": "127.0.0.1", "vars": {**VARIABLES, "number": at}} for at, name in enumerate("ab")]
    plays = [{"hosts": "all", "gather_facts": False, "tasks": [say("{{ inventory_hostname }} is {{ number }}")]}]
    Playbook.model_validate({"plays": plays, "inventory": targets}).run(ctx)
    assert "a is 0" in ctx.log.text
    assert "b is 1" in ctx.log.text


def test_roles_and_collections_are_found_in_their_folders(ctx: RecordedContext, tmp_path: Path) -> None:
    role = tmp_path / "roles" / "greet" / "tasks"
    role.mkdir(parents=True)
    (role / "main.yml").write_text("- ansible.builtin.debug: {msg: greetings from a role}\n")
    filters = tmp_path / "collections" / "ansible_collections" / "bank" / "words" / "plugins" / "filter"
    filters.mkdir(parents=True)
    (filters / "loud.py").write_text(
        "class FilterModule:\n    def filters(self):\n        return {'loud': lambda text: text.upper() + '!'}\n"
    )
    task = playbook(
        [say("{{ 'from a collection' | bank.words.loud }}")],
        play={"roles": ["greet"]},
        roles_path=[tmp_path / "roles"],
        collections_path=[tmp_path / "collections"],
    )
    task.run(ctx)
    assert "greetings from a role" in ctx.log.text
    assert "FROM A COLLECTION!" in ctx.log.text


def test_a_vault_is_opened_with_its_password_and_stays_closed_with_another(ctx: RecordedContext) -> None:
    secret = ctx.workdir / "password"
    secret.write_text("open sesame\n")
    (ctx.workdir / "vars.yml").write_text("treasure: gold-and-silver\n")
    encrypt = [sys.executable, "-m", "ansible.cli.vault", "encrypt", "--vault-password-file", str(secret)]
    subprocess.run([*encrypt, str(ctx.workdir / "vars.yml")], check=True, capture_output=True)
    assert "gold" not in (ctx.workdir / "vars.yml").read_text()
    (ctx.workdir / "site.yml").write_text(
        "- hosts: all\n  gather_facts: false\n  vars_files: [vars.yml]\n"
        "  tasks: [{ansible.builtin.debug: {msg: 'found {{ treasure }}'}}]\n"
    )
    fields = {"playbook": "site.yml", "inventory": LOCAL}
    Playbook.model_validate({**fields, "vault_password": SecretStr("open sesame")}).run(ctx)
    assert "found gold-and-silver" in ctx.log.text
    with pytest.raises(TaskFailed, match=r"(?i)decrypt"):
        Playbook.model_validate({**fields, "vault_password": SecretStr("wrong")}).run(ctx)
    assert "open sesame" not in ctx.log.text


def test_a_great_deal_of_text_comes_through_shortened(ctx: RecordedContext) -> None:
    output = Module(module="ansible.builtin.shell", args=r"head -c 300000 /dev/zero | tr '\0' x", inventory=LOCAL).run(
        ctx
    )
    text = output.hosts["two"].result["stdout"]
    assert 10_000 < len(text) < 50_000
    assert output.hosts["two"].result["rc"] == 0


def test_text_that_is_no_utf8_is_refused_by_ansible_and_told(ctx: RecordedContext) -> None:
    with pytest.raises(TaskFailed, match=r"host `one` failed at task .*UTF8"):
        Module(module="ansible.builtin.shell", args=r"printf 'caf\351'", inventory=LOCAL).run(ctx)


def test_progress_is_told_by_host(ctx: RecordedContext) -> None:
    playbook([say("hello")]).run(ctx)
    assert ctx.progresses[-1] == (3, 3)


def test_a_playbook_has_one_source() -> None:
    with pytest.raises(ValidationError, match="either `playbook` or `plays`"):
        Playbook.model_validate({"inventory": LOCAL})
    with pytest.raises(ValidationError, match="either `playbook` or `plays`"):
        Playbook.model_validate({"playbook": "a.yml", "plays": [], "inventory": LOCAL})
