"""Puts commands into a group, each under the name of its module."""

from __future__ import annotations

from types import ModuleType

import click


def add_commands(group: click.Group, *modules: ModuleType) -> None:
    """Add the `command` of each module to `group`."""
    for module in modules:
        group.add_command(module.command, module.__name__.rpartition(".")[2])
