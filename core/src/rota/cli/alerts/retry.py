"""`rota alerts retry`: sends again what did not arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rota.cli.application import pass_application
from rota.cli.output import say

if TYPE_CHECKING:
    from rota.server.application import Application


@click.command()
@click.argument("id", metavar="ALERT")
@pass_application
def command(app: Application, id: str) -> None:
    """Send the messages of an alert that were given up, or that wait for another try, now."""
    count = app.alerts.send_again(id)
    say(f"{count} {'message is' if count == 1 else 'messages are'} sent again")
