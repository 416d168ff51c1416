"""`rota plugins`: what is installed, what a type takes and gives, and a new plugin of one's own."""

from __future__ import annotations

import click

from rota.cli.grouping import add_commands
from rota.cli.plugins import list as list_
from rota.cli.plugins import new, show


@click.group(invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Show what is installed, what a type takes and gives; write a plugin of your own.

    Without a command it lists the plugins.
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_.command, as_json=False)


add_commands(command, list_, show, new)
