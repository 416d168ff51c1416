"""`ansible.inventory`: an inventory of Ansible as targets for a fleet."""

from __future__ import annotations

import json
import sys
from typing import Any

from pydantic import BaseModel, Field

from rota import Context, Task, TaskFailed
from rota_ansible import fields
from rota_ansible.files import private_folder
from rota_ansible.hosts import write_inventory


class Target(BaseModel):
    """One host of the inventory."""

    name: str
    """Its name in the inventory."""
    host: str
    """Where it is reached: `ansible_host`, else its name."""
    groups: list[str] = Field(default_factory=list)
    """The groups that it is in, parents included, sorted."""
    vars: dict[str, Any] = Field(default_factory=dict)
    """Its variables, those of its groups included."""


class Targets(BaseModel):
    """The hosts of an inventory."""

    targets: list[Target]
    """The hosts, in the order of the inventory."""
    groups: dict[str, list[str]]
    """Group to the names of its hosts."""


class Inventory(Task):
    """Read an inventory of Ansible: files, folders, scripts and plugins, whatever `ansible-inventory` reads.

    Example:
        - id: hosts
          type: ansible.inventory
          inventory: inventories/prod
          limit: mongodb
    """

    idempotent = True

    inventory: fields.Inventory
    """A file or folder of the flow, a host list such as `a,b,`, the text of an inventory, or one as a mapping."""
    limit: str | None = None
    """Only these hosts, as `--limit`."""
    env: dict[str, str] = Field(default_factory=dict, repr=False)
    """Environment variables for Ansible, such as what an inventory plugin wants."""

    def run(self, ctx: Context) -> Targets:
        """Return the targets."""
        with private_folder(ctx) as folder:
            argv = [sys.executable, "-m", "ansible.cli.inventory", "-i", write_inventory(self.inventory, ctx, folder)]
            argv += ["--list", *(["--limit", self.limit] if self.limit else [])]
            found = folder / "found.json"
            own = {"ANSIBLE_LOCAL_TEMP": str(folder / "tmp"), "ANSIBLE_HOME": str(folder / "home")}
            environment = {**own, "ANSIBLE_NOCOLOR": "True", **fields.WHOLE_INVENTORY, **self.env}
            with found.open("wb") as file:
                done = ctx.process(argv, env=environment, cwd=ctx.workdir, stdout=file)
            if done.exit_code != 0:
                raise TaskFailed(
                    f"ansible-inventory ended with exit code {done.exit_code}: {_reason(done.stderr)}", retryable=False
                )
            return _targets(json.loads(found.read_text()))


def _reason(stderr: str) -> str:
    """Return why an inventory cannot be read: what the first plugin that tried says, else the last line."""
    lines = (stderr.strip() or "no message").splitlines()
    tried = next((line for line in lines if "Failed to parse inventory" in line), lines[-1])
    return tried.removeprefix("[WARNING]: ").removeprefix("[ERROR]: ")


def _targets(listed: dict[str, Any]) -> Targets:
    hostvars = listed.get("_meta", {}).get("hostvars", {})
    members = {name: _members(listed, name, frozenset()) for name in listed if name != "_meta"}
    order = list(dict.fromkeys([*members.get("all", []), *hostvars]))
    targets = [
        Target(
            name=name,
            host=str(hostvars.get(name, {}).get("ansible_host", name)),
            groups=sorted(group for group, hosts in members.items() if name in hosts and group != "all"),
            vars=hostvars.get(name, {}),
        )
        for name in order
    ]
    return Targets(targets=targets, groups={name: hosts for name, hosts in members.items() if name != "all"})


def _members(listed: dict[str, Any], group: str, above: frozenset[str]) -> list[str]:
    if group in above:
        return []
    found = listed.get(group) or {}
    inner = [host for child in found.get("children", []) for host in _members(listed, child, above | {group})]
    return list(dict.fromkeys([*found.get("hosts", []), *inner]))
