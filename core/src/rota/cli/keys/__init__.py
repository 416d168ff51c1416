"""`rota keys`: take care of the keys that encrypt secrets in the database."""

from __future__ import annotations

import click

from rota.cli.grouping import add_commands
from rota.cli.keys import rotate


@click.group()
def command() -> None:
    """Take care of the keys that encrypt secrets in the database."""


add_commands(command, rotate)
