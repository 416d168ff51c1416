"""Inventories from what a flow writes: files, host lists, texts, targets, mappings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rota import Context, TaskFailed
from rota_ansible.fields import Inventory, flow_path

_LOGIN = {"port": "ansible_port", "user": "ansible_user"}


def write_inventory(inventory: Inventory, ctx: Context, folder: Path) -> str:
    """Return the path that Ansible takes as `-i`; texts, lists and mappings are written into `folder`.

    Raises TaskFailed for a file that is not there, and for a target without a name.
    """
    if isinstance(inventory, str) and "," in inventory and "\n" not in inventory:
        inventory = [name.strip() for name in inventory.split(",") if name.strip()]
    if isinstance(inventory, list):
        inventory = {"all": {"hosts": dict(_host(target) for target in inventory)}}
    if isinstance(inventory, dict):
        path = folder / "inventory.json"
        path.write_text(json.dumps(inventory))
        return str(path)
    if "\n" in inventory:
        is_yaml = inventory.lstrip().startswith(("all:", "---", "ungrouped:"))
        path = folder / ("inventory.yaml" if is_yaml else "inventory.ini")
        path.write_text(inventory)
        return str(path)
    path = flow_path(ctx, Path(inventory))
    if not path.exists():
        raise TaskFailed(
            f"there is no inventory `{inventory}`",
            retryable=False,
            hint="add it to the flow's `files`, or write a host list with a comma: `host,`",
        )
    return str(path)


def _host(target: Any) -> tuple[str, dict[str, Any]]:
    if isinstance(target, str):
        return target, {}
    if not isinstance(target, Mapping) or not (name := target.get("name") or target.get("host")):
        raise TaskFailed("a target of the inventory has no `name` or `host`", retryable=False)
    found = dict(target.get("vars") or {})
    if address := target.get("address") or target.get("host"):
        found.setdefault("ansible_host", address)
    for field, variable in _LOGIN.items():
        if field in target:
            found.setdefault(variable, target[field])
    return str(name), found
