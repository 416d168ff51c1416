"""`rota kv list`: the keys of a namespace."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from rota.cli import options
from rota.cli.application import pass_application
from rota.cli.formats import first_line, time_text
from rota.cli.output import print_json, print_table

if TYPE_CHECKING:
    from rota.server.application import Application


@click.command()
@click.argument("namespace")
@click.option("--prefix", default="", help="Those that start with this.")
@options.as_json
@pass_application
def command(app: Application, namespace: str, prefix: str, as_json: bool) -> None:
    """List the keys of a namespace.

    --json prints: namespace, values (key, value, updated_at, expires_at).
    """
    from rota.server import records

    rows = app.values.list(namespace, prefix)
    found = [records.value(row) for row in rows]
    if as_json:
        print_json({"namespace": namespace, "values": found})
        return
    zone = ZoneInfo(app.settings.timezone)
    cells = [
        (
            row["key"],
            first_line(json.dumps(shown["value"], ensure_ascii=False), 80),
            time_text(row["updated_at"], zone),
            time_text(row["expires_at"], zone),
        )
        for row, shown in zip(rows, found, strict=True)
    ]
    print_table(("key", "value", "updated", "expires"), cells, empty=f"namespace `{namespace}` has no such keys")
