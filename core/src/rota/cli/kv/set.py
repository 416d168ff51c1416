"""`rota kv set`: gives a key a value."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from rota.cli import options
from rota.cli.application import pass_application
from rota.errors import UsageError

if TYPE_CHECKING:
    from rota.server.application import Application


@click.command()
@click.argument("namespace")
@click.argument("key")
@click.argument("value")
@click.option(
    "--as", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="What it is."
)
@click.option("--ttl", metavar="DURATION", help="Forget it after this time: `1h`.")
@pass_application
def command(app: Application, namespace: str, key: str, value: str, form: str, ttl: str | None) -> None:
    """Give a key of a namespace a VALUE; `-` reads it from stdin."""
    text = sys.stdin.read() if value == "-" else value
    life = None if ttl is None else options.duration_of(ttl, "--ttl")
    app.values.set(namespace, key, _parsed(text) if form == "json" else text, ttl=life)


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise UsageError(f"the value is not JSON: {error}", hint="without `--as json` it is taken as text") from None
