"""Runs Ansible for a task: what it is told, the child program, its events."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from rota import Context
from rota_ansible.fields import AnsibleTask
from rota_ansible.files import private_folder, write_private
from rota_ansible.galaxy import install_requirements
from rota_ansible.hosts import write_inventory
from rota_ansible.results import Results


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
            collections, roles = install_requirements(task.requirements, task.env, ctx)
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
    write_private(folder / "env" / "extravars", json.dumps({**task.connection_vars(), **task.extra_vars}))
    arguments = list(options)
    if task.private_key is not None:
        key = task.private_key.get_secret_value()
        write_private(folder / "key", key if key.endswith("\n") else f"{key}\n")
        arguments += ["--private-key", str(folder / "key")]
    if task.known_hosts is not None:
        write_private(folder / "known_hosts", task.known_hosts.rstrip("\n") + "\n")
    if task.vault_password is not None:
        write_private(folder / "vault", task.vault_password.get_secret_value() + "\n")
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
        # What comes is told as it comes: no file of it is kept.
        "suppress_env_files": True,
        "suppress_output_file": True,
    }
    return {name: value for name, value in told.items() if value is not None}


def _quoted(arguments: list[str]) -> str | None:
    import shlex

    return shlex.join(arguments) if arguments else None


def _prepend(environment: dict[str, str], name: str, folder: Path) -> None:
    environment[name] = ":".join(filter(None, [str(folder), environment.get(name, "")]))
