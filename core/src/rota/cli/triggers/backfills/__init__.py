"""`rota triggers backfills`: how far backfills are, and how they are steered."""

from __future__ import annotations

import click

from rota.cli.grouping import add_commands
from rota.cli.triggers.backfills import cancel, pause, resume
from rota.cli.triggers.backfills import list as list_


@click.group()
def command() -> None:
    """Look at backfills, pause and resume them."""


add_commands(command, list_, pause, resume, cancel)
