"""`rota kv delete`: removes a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rota.cli.application import pass_application

if TYPE_CHECKING:
    from rota.server.application import Application


@click.command()
@click.argument("namespace")
@click.argument("key")
@pass_application
def command(app: Application, namespace: str, key: str) -> None:
    """Remove a key of a namespace."""
    app.values.delete(namespace, key)
