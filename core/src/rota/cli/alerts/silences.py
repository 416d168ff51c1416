"""`rota alerts silences`: what nobody is told of, until when, and who wanted that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from rota.cli import options
from rota.cli.application import pass_application
from rota.cli.formats import clean, time_text
from rota.cli.output import print_json, print_table

if TYPE_CHECKING:
    from rota.server.application import Application


@click.command()
@click.option("--ended", is_flag=True, help="Those that have ended, too.")
@options.as_json
@pass_application
def command(app: Application, ended: bool, as_json: bool) -> None:
    """List silences, newest first.

    --json prints: silences (id, namespace, flow, rule, kind, labels, starts_at, ends_at, reason, author).
    """
    from rota.server import alert_records as records

    rows = app.alerts.silences(ended=ended)
    if as_json:
        print_json({"silences": [records.silence(row) for row in rows]})
        return
    zone = ZoneInfo(app.settings.timezone)
    cells = [
        (row["id"], silenced_text(row), time_text(row["ends_at"], zone), row["author"], clean(row["reason"]))
        for row in rows
    ]
    print_table(("id", "silenced", "until", "by", "reason"), cells, empty="nothing is silenced")


def silenced_text(row: dict[str, Any]) -> str:
    """Return what a silence is for, in words."""
    parts = [f"{name} {row[name]}" for name in ("namespace", "flow", "rule", "kind") if row[name] is not None]
    parts += [f"{name}={value}" for name, value in (row["labels"] or {}).items()]
    return ", ".join(parts) or "everything"
