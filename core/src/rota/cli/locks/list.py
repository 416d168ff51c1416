"""`rota locks list`: who holds which lock, and who waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from rota.cli import options
from rota.cli.application import pass_application
from rota.cli.formats import short_id, time_text
from rota.cli.output import print_json, print_table

if TYPE_CHECKING:
    from rota.server.application import Application


@click.command()
@click.argument("key", required=False)
@options.as_json
@pass_application
def command(app: Application, key: str | None, as_json: bool) -> None:
    """List who holds which lock and who waits for it, in order; of one KEY, or of all.

    --json prints: locks (id, key, held, execution, namespace, flow, task_run, asked_at, granted_at).
    """
    from rota.server import records

    rows = app.locks.list(key)
    if as_json:
        print_json({"locks": [records.lock(row) for row in rows]})
        return
    zone = ZoneInfo(app.settings.timezone)
    columns = ("id", "key", "held", "execution", "task run", "since")
    cells = [
        (
            row["id"],
            row["key"],
            "held" if row["held"] else "waits",
            short_id(row["execution_id"]),
            records.name_of(row),
            time_text(row["granted_at"] or row["asked_at"], zone),
        )
        for row in rows
    ]
    print_table(columns, cells, empty="nobody holds a lock")
