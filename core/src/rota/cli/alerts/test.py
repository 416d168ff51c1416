"""`rota alerts test`: sends a test message."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rota.cli import options
from rota.cli.application import pass_application
from rota.cli.formats import clean
from rota.cli.output import note, print_json, say

if TYPE_CHECKING:
    from rota.server.application import Application


@click.command()
@click.argument("sinks", nargs=-1, metavar="[SINK]...")
@click.option("--text", default="", help="What it says.")
@options.as_json
@pass_application
def command(app: Application, sinks: tuple[str, ...], text: str, as_json: bool) -> None:
    """Send a test message to each SINK, or to all, from here and now; exit with 1 where one does not take it.

    --json prints: sinks (by id: sent, error).
    """
    found = app.alerts.test(sinks, text=text)
    if as_json:
        print_json({"sinks": {name: {"sent": not error, "error": error} for name, error in found.items()}})
    elif not found:
        note("there are no sinks: add them to `sinks` in rota.yaml")
    else:
        for name, error in found.items():
            say(f"{name}: {f'failed: {clean(error)}' if error else 'sent'}")
    if any(found.values()):
        raise click.exceptions.Exit(1)
