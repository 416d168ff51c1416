"""`rota flows list`: what is deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from rota.cli import options
from rota.cli.application import pass_application
from rota.cli.formats import time_text
from rota.cli.output import print_json, print_table

if TYPE_CHECKING:
    from rota.server.application import Application


@click.command()
@click.option("--namespace", help="Those of this namespace and of those below it.")
@options.as_json
@pass_application
def command(app: Application, namespace: str | None, as_json: bool) -> None:
    """List the deployed flows.

    --json prints: flows (namespace, id, revision, disabled, files, author, created_at, updated_at).
    """
    rows = app.flows.list(namespace=namespace)
    if as_json:
        from rota.server import records

        print_json({"flows": [records.flow(row) for row in rows]})
        return
    zone = ZoneInfo(app.settings.timezone)
    cells = [
        (f"{row['namespace']}/{row['id']}", row["number"], time_text(row["updated_at"], zone), row["author"])
        for row in rows
    ]
    print_table(("flow", "revision", "updated", "author"), cells, empty="no flow is deployed: `rota flows deploy FILE`")
