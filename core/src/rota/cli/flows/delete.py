"""`rota flows delete`: deletes deployed flows; their executions stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rota.cli import options, suggestions
from rota.cli.application import pass_application
from rota.cli.output import say

if TYPE_CHECKING:
    from rota.server.application import Application


@click.command()
@click.argument("name", metavar="NAMESPACE/ID", shell_complete=suggestions.flows)
@options.yes
@pass_application
def command(app: Application, name: str, yes: bool) -> None:
    """Delete a deployed flow: nothing starts it any more. Its executions and revisions stay."""
    namespace, flow = options.flow_name(name)
    app.flows.get(namespace, flow)
    options.confirm(f"Delete {name}?", yes=yes)
    app.flows.delete(namespace, flow)
    say(f"deleted {name}")
