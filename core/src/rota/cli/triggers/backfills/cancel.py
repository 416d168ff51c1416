"""`rota triggers backfills cancel`: ends a backfill."""

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
    """Start nothing more of a backfill, for good; what it has started runs on."""
    app.triggers.backfills.cancel(id)
    say(f"cancelled backfill {id}")
