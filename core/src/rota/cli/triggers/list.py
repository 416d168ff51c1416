"""`rota triggers list`: what starts flows, when next, and what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from rota.cli import options
from rota.cli.application import pass_application
from rota.cli.formats import first_line, short_id, time_text
from rota.cli.output import print_json, print_table
from rota.cli.triggers.trigger_name import record

if TYPE_CHECKING:
    from rota.server.application import Application


@click.command()
@click.option("--namespace", help="Those of this namespace and of those below it.")
@click.option("--flow", metavar="NAMESPACE/ID", help="Those of this flow.")
@options.as_json
@pass_application
def command(app: Application, namespace: str | None, flow: str | None, as_json: bool) -> None:
    """List the triggers of deployed flows.

    --json prints: triggers (namespace, flow, trigger, type, enabled, disabled, next_at, last_at, execution, failures,
    last_error, updated_at). `enabled` is what `enable` and `disable` set, `disabled` what the flow says.
    """
    name = None
    if flow is not None:
        namespace, name = options.flow_name(flow)
    rows = app.triggers.list(namespace=namespace, flow=name)
    if flow is not None:
        rows = [row for row in rows if row["namespace"] == namespace]
    if as_json:
        print_json({"triggers": [record(row) for row in rows]})
        return
    zone = ZoneInfo(app.settings.timezone)
    columns = ("flow", "trigger", "type", "on", "next", "last", "started", "error")
    print_table(columns, [_cells(row, zone) for row in rows], empty="no deployed flow has a trigger")


def _cells(row: dict[str, Any], zone: ZoneInfo) -> tuple[Any, ...]:
    error = f"{row['failures']} in a row: {first_line(row['last_error'], 80)}" if row["last_error"] else ""
    return (
        f"{row['namespace']}/{row['flow']}",
        row["trigger"],
        row["type"],
        "yes" if row["enabled"] and not row["disabled"] else "no",
        time_text(row["next_at"], zone) if row["type"] not in ("flow", "webhook") else "",
        time_text(row["last_at"], zone),
        short_id(row["execution_id"] or ""),
        error,
    )
