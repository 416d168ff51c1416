"""`rota flows`: deploy flows and look at what is deployed."""

from __future__ import annotations

import click

from rota.cli.flows import delete, deploy, diff, export, show
from rota.cli.flows import list as list_
from rota.cli.grouping import add_commands


@click.group()
def command() -> None:
    """Deploy flows and look at what is deployed."""


add_commands(command, list_, show, diff, deploy, export, delete)
