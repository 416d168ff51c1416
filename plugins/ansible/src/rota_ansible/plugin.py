"""Registers the types `ansible.*`."""

from __future__ import annotations

from collections.abc import Iterable

from rota import Task, hookimpl
from rota_ansible.inventory import Inventory
from rota_ansible.module import Module
from rota_ansible.playbook import Playbook


@hookimpl
def register_task_types() -> Iterable[type[Task]]:
    """Return the task types."""
    return [Inventory, Module, Playbook]
