"""`rota triggers backfills resume`: goes on with a backfill."""

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
    """Go on with a backfill that was paused."""
    app.triggers.backfills.resume(id)
    say(f"resumed backfill {id}")
