"""`rota kv`: read and change the values that flows keep between executions."""

from __future__ import annotations

import click

from rota.cli.grouping import add_commands
from rota.cli.kv import delete, get
from rota.cli.kv import list as list_
from rota.cli.kv import set as set_


@click.group()
def command() -> None:
    """Read and change the values that flows keep between executions."""


add_commands(command, list_, get, set_, delete)
