"""`rota executions`: look at executions and steer them."""

from __future__ import annotations

import click

from rota.cli.executions import cancel, limits, logs, replay, restart, resume, show
from rota.cli.executions import list as list_
from rota.cli.grouping import add_commands


@click.group()
def command() -> None:
    """Look at executions and steer them.

    EXECUTION is an id, as much of its beginning as is unique, or `latest`: the one that you started last.
    """


add_commands(command, list_, show, logs, cancel, restart, replay, resume, limits)
