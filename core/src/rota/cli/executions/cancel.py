"""`rota executions cancel`: ends executions that run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rota.cli import options
from rota.cli.application import author, pass_application
from rota.cli.formats import short_id
from rota.cli.output import say

if TYPE_CHECKING:
    from rota.server.application import Application


@click.command()
@options.executions
@click.option("--wait", is_flag=True, help="Wait until they have ended.")
@pass_application
def command(app: Application, ids: tuple[str, ...], wait: bool) -> None:
    """Cancel executions: what runs is stopped, `finally` runs."""
    asked = [app.executions.resolve(one) for one in ids]
    for one in asked:
        app.executions.cancel(one, author=author())
        say(f"asked {short_id(one)} to end")
    for one in asked if wait else ():
        row = app.executions.wait(one)
        say(f"{short_id(one)} {row['state'] if row else ''}")
