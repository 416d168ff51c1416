"""`rota triggers`: what starts flows, and when."""

from __future__ import annotations

import click

from rota.cli.grouping import add_commands
from rota.cli.triggers import backfill, backfills, disable, enable, fire, show
from rota.cli.triggers import list as list_
from rota.cli.triggers import next as next_


@click.group()
def command() -> None:
    """Look at what starts flows, switch it on and off, fire it, and make up for what was missed."""


add_commands(command, list_, show, next_, fire, enable, disable, backfill, backfills)
