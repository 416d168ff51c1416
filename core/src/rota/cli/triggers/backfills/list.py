"""`rota triggers backfills list`: how far backfills are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from rota.cli import options
from rota.cli.application import pass_application
from rota.cli.formats import first_line, time_text
from rota.cli.output import print_json, print_table
from rota.cli.triggers.trigger_name import iso

if TYPE_CHECKING:
    from rota.server.application import Application

_TIMES = ("since", "until", "position_at", "created_at", "ended_at", "next_at")


@click.command()
@click.option("--active", is_flag=True, help="Those that have not ended.")
@options.as_json
@pass_application
def command(app: Application, active: bool, as_json: bool) -> None:
    """List backfills, newest first.

    --json prints: backfills (id, namespace, flow, trigger, state, since, until, position_at, scope, inputs,
    max_running, per_minute, started, last_error, next_at, author, created_at, ended_at).
    """
    rows = app.triggers.backfills.list(active=active)
    if as_json:
        shown = [{name: iso(value) if name in _TIMES else value for name, value in row.items()} for row in rows]
        print_json({"backfills": shown})
        return
    zone = ZoneInfo(app.settings.timezone)
    columns = ("id", "flow", "trigger", "state", "since", "until", "at", "started", "error")
    print_table(columns, [_cells(row, zone) for row in rows], empty="there are no backfills")


def _cells(row: dict[str, Any], zone: ZoneInfo) -> tuple[Any, ...]:
    return (
        row["id"],
        f"{row['namespace']}/{row['flow']}",
        row["trigger"],
        row["state"],
        time_text(row["since"], zone),
        time_text(row["until"], zone),
        time_text(row["position_at"], zone),
        row["started"],
        first_line(row["last_error"] or "", 80),
    )
