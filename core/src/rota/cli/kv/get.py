"""`rota kv get`: the value of a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rota.cli import options
from rota.cli.application import pass_application
from rota.cli.output import print_json, say

if TYPE_CHECKING:
    from rota.server.application import Application


@click.command()
@click.argument("namespace")
@click.argument("key")
@options.as_json
@pass_application
def command(app: Application, namespace: str, key: str, as_json: bool) -> None:
    """Print the value of a key: text as it is, anything else as JSON. With --json, text is JSON too."""
    from rota.server import records

    value = records.public(app.values.get(namespace, key))
    if isinstance(value, str) and not as_json:
        say(value)
    else:
        print_json(value)
