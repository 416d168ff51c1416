"""`rota locks`: who holds which lock, who waits, and taking one away."""

from __future__ import annotations

import click

from rota.cli.grouping import add_commands
from rota.cli.locks import list as list_
from rota.cli.locks import release


@click.group()
def command() -> None:
    """Look at locks, and take one away from who holds it."""


add_commands(command, list_, release)
