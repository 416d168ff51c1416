"""Runs Ansible for a task: private files, the child program, its events."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rota import Context
from rota_ansible.fields import AnsibleTask
from rota_ansible.galaxy import install_requirements
from rota_ansible.hosts import write_inventory
from rota_ansible.results import Results

MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of ours with mode 0700 is made in it


@contextmanager
def private_folder(ctx: Context) -> Iterator[Path]:
    """Give a folder for what Ansible must read from files, secrets too: in memory where the system has such a place."""
    place = MEMORY if os.access(MEMORY, os.W_OK) else ctx.workdir
    folder = Path(tempfile.mkdtemp(prefix="rota-ansible-", dir=place))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_playbook(
    task: AnsibleTask, ctx: Context, playbook: Path, results: Results, *, options: list[str], check: bool = False
) -> None:
    """Run a playbook to its end and feed `results`. Cancel ends everything that was started.

    Raises TaskFailed when Ansible cannot be started.
    """
    with private_folder(ctx) as folder:
        told = _told(task, ctx, folder, playbook, [*options, *(["--check", "--diff"] if check else [])])
        environment = task.environment(folder)
        if task.requirements is not None:
            collections, roles = install_requirements(task.requirements, ctx)
            _prepend(environment, "ANSIBLE_COLLECTIONS_PATH", collections)
            _prepend(environment, "ANSIBLE_ROLES_PATH", roles)
        ctx.process(
            [sys.executable, "-I", str(Path(__file__).with_name("child.py"))],
            env=environment,
            stdin=json.dumps(told).encode(),
            cwd=ctx.workdir,
            on_line=results.line,
        )


def _told(task: AnsibleTask, ctx: Context, folder: Path, playbook: Path, options: list[str]) -> dict[str, Any]:
    """Write the private files and return the arguments of `ansible_runner.run`."""
    inventory = write_inventory(task.inventory, ctx, folder)
    _write(folder / "env" / "extravars", json.dumps({**task.connection_vars(), **task.extra_vars}))
    arguments = list(options)
    if task.private_key is not None:
        key = task.private_key.get_secret_value()
        _write(folder / "key", key if key.endswith("\n") else f"{key}\n")
        arguments += ["--private-key", str(folder / "key")]
    if task.known_hosts is not None:
        _write(folder / "known_hosts", task.known_hosts.rstrip("\n") + "\n")
    if task.vault_password is not None:
        _write(folder / "vault", task.vault_password.get_secret_value() + "\n")
        arguments += ["--vault-password-file", str(folder / "vault")]
    if task.become:
        arguments.append("--become")
    told: dict[str, Any] = {
        "private_data_dir": str(folder),
        "project_dir": str(playbook.parent),
        "playbook": playbook.name,
        "inventory": inventory,
        "forks": task.forks,
        "limit": task.limit,
        "verbosity": task.verbosity or None,
        "cmdline": _quoted(arguments),
        "suppress_env_files": True,
        "rotate_artifacts": 1,
    }
    return {name: value for name, value in told.items() if value is not None}


def _quoted(arguments: list[str]) -> str | None:
    import shlex

    return shlex.join(arguments) if arguments else None


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(text)


def _prepend(environment: dict[str, str], name: str, folder: Path) -> None:
    environment[name] = ":".join(filter(None, [str(folder), environment.get(name, "")]))
