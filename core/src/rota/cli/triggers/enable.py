"""`rota triggers enable`: switches a trigger on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rota.cli import options
from rota.cli.application import author, pass_application
from rota.cli.output import say
from rota.cli.triggers import trigger_name

if TYPE_CHECKING:
    from rota.server.application import Application


@click.command()
@trigger_name.argument
@pass_application
def command(app: Application, flow: str, trigger: str) -> None:
    """Enable a trigger of a deployed flow.

    It counts from now: what passed meanwhile is not made up for; `backfill` does that.
    """
    changed = app.triggers.switch(*options.flow_name(flow), trigger, enabled=True, author=author())
    say(f"enabled {flow} {trigger}" if changed else f"{flow} {trigger} is enabled already")
