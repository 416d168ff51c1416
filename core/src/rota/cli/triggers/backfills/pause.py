"""`rota triggers backfills pause`: holds a backfill."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rota.cli.application import pass_application
from rota.cli.output import say

if TYPE_CHECKING:
    from rota.server.application import Application


@click.command()
@click.argument("id", type=int)
@pass_application
def command(app: Application, id: int) -> None:
    """Start nothing more of a backfill until it is resumed; what it has started runs on."""
    app.triggers.backfills.pause(id)
    say(f"paused backfill {id}")
