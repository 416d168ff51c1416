"""`rota alerts unsilence`: ends a silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rota.cli.application import pass_application
from rota.cli.output import say

if TYPE_CHECKING:
    from rota.server.application import Application


@click.command()
@click.argument("id", type=int, metavar="SILENCE")
@pass_application
def command(app: Application, id: int) -> None:
    """End a silence now: what still lasts is told."""
    app.alerts.unsilence(id)
    say(f"silence {id} has ended")
