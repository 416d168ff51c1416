"""`rota triggers disable`: switches a trigger off."""

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
    """Disable a trigger of a deployed flow.

    Nothing is started by it until it is enabled again; what runs goes on.
    """
    changed = app.triggers.switch(*options.flow_name(flow), trigger, enabled=False, author=author())
    say(f"disabled {flow} {trigger}" if changed else f"{flow} {trigger} is disabled already")
