"""Requirements of Ansible Galaxy: what is asked for is installed once, by whoever is first."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from rota import TaskFailed
from rota.testing import RecordedContext
from rota_ansible.galaxy import install_requirements
from rota_ansible.playbook import Playbook

LOCAL = {"all": {"hosts": {"one": {"ansible_connection": "local"}}}}


@pytest.fixture
def role(tmp_path: Path) -> dict[str, str]:
    """A role in a git repository, as requirements name it."""
    folder = tmp_path / "source" / "greet"
    (folder / "tasks").mkdir(parents=True)
    (folder / "meta").mkdir()
    (folder / "meta" / "main.yml").write_text(
        "galaxy_info: {author: us, description: greets, license: MIT, min_ansible_version: '2.15'}\ndependencies: []\n"
    )
    (folder / "tasks" / "main.yml").write_text("- ansible.builtin.set_stats: {data: {greeted: true}}\n")
    os.system(f"cd {folder} && git init -q && git add -A && git -c user.name=t -c user.email=t@t commit -qm role")
    return {"src": f"git+file://{folder}", "name": "greet"}


def greeting(requirements: Any, **fields: Any) -> Playbook:
    plays = [{"hosts": "one", "gather_facts": False, "roles": ["greet"]}]
    return Playbook.model_validate({"plays": plays, "inventory": LOCAL, "requirements": requirements, **fields})


def test_requirements_are_installed_once(ctx: RecordedContext, role: dict[str, str], cache: Path) -> None:
    task = greeting({"roles": [role]})
    assert task.run(ctx).stats == {"greeted": True}
    installed = next(cache.glob("rota-ansible/*/complete")).stat().st_mtime_ns
    assert task.run(ctx).stats == {"greeted": True}
    assert next(cache.glob("rota-ansible/*/complete")).stat().st_mtime_ns == installed


def test_a_list_is_one_of_roles_as_it_always_was(ctx: RecordedContext, role: dict[str, str]) -> None:
    (ctx.workdir / "requirements.yml").write_text(f"# roles: none yet\n- src: {role['src']}\n  name: greet\n")
    assert greeting("requirements.yml").run(ctx).stats == {"greeted": True}


def test_a_collection_is_installed_from_a_folder(ctx: RecordedContext, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "plugins" / "filter").mkdir(parents=True)
    (source / "galaxy.yml").write_text(
        "{namespace: bank, name: words, version: 1.0.0, readme: README.md, authors: [us]}\n"
    )
    (source / "README.md").write_text("words\n")
    (source / "plugins" / "filter" / "loud.py").write_text(
        "class FilterModule:\n    def filters(self):\n        return {'loud': lambda text: text.upper() + '!'}\n"
    )
    task = Playbook.model_validate(
        {
            "plays": [
                {
                    "hosts": "one",
                    "gather_facts": False,
                    "tasks": [{"ansible.builtin.debug": {"msg": "{{ 'from a collection' | bank.words.loud }}"}}],
                }
            ],
            "inventory": LOCAL,
            "requirements": {"collections": [{"name": str(source), "type": "dir"}]},
        }
    )
    task.run(ctx)
    assert "FROM A COLLECTION!" in ctx.log.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("roles: [a", r"`requirements\.yml` are no YAML"),
        ("galaxy: []", "ask for something else"),
        ("just a word", "ask for something else"),
        ("roles: greet", "`roles` of the requirements `requirements.yml` is no list"),
    ],
)
def test_requirements_that_make_no_sense_are_refused(ctx: RecordedContext, text: str, message: str) -> None:
    (ctx.workdir / "requirements.yml").write_text(text)
    with pytest.raises(TaskFailed, match=message) as failure:
        greeting("requirements.yml").run(ctx)
    assert failure.value.retryable is False


def test_requirements_that_are_not_there_are_told_with_the_way_out(ctx: RecordedContext) -> None:
    with pytest.raises(TaskFailed, match="cannot be read: No such file"):
        greeting("requirements.yml").run(ctx)


def test_what_cannot_be_installed_is_told_and_tried_again_the_next_time(
    ctx: RecordedContext, tmp_path: Path, role: dict[str, str]
) -> None:
    source = tmp_path / "source"
    source.rename(tmp_path / "away")
    with pytest.raises(TaskFailed, match="the roles cannot be installed"):
        greeting({"roles": [role]}).run(ctx)
    (tmp_path / "away").rename(source)
    assert greeting({"roles": [role]}).run(ctx).stats == {"greeted": True}


def test_ansible_galaxy_gets_the_environment_of_the_task(ctx: RecordedContext, tmp_path: Path) -> None:
    settings = tmp_path / "ansible.cfg"
    settings.write_text("[defaults\n")  # which it cannot read
    with pytest.raises(TaskFailed, match="cannot be installed"):
        greeting({"roles": [{"src": "absent"}]}, env={"ANSIBLE_CONFIG": str(settings)}).run(ctx)
    assert str(settings) in ctx.log.text


def test_a_task_that_waits_for_another_that_installs_can_be_cancelled(ctx: RecordedContext, cache: Path) -> None:
    (ctx.workdir / "none.yml").write_text("roles: []\n")
    install_requirements(Path("none.yml"), {}, ctx)
    lock = next(cache.glob("rota-ansible/*/lock"))
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        threading.Timer(0.3, ctx.cancel).start()
        with pytest.raises(TaskFailed, match="was cancelled while another task installed"):
            install_requirements(Path("none.yml"), {}, ctx)
