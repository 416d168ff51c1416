"""`rota alerts list`: what people were told of, and where it went."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from rota.cli import options
from rota.cli.alerts.kinds import KINDS, tries
from rota.cli.application import pass_application
from rota.cli.formats import first_line, short_id, time_text
from rota.cli.output import print_json, print_table

if TYPE_CHECKING:
    from rota.server.application import Application

Row = dict[str, Any]


@click.command()
@click.option("--namespace", help="Those of this namespace and of those below it.")
@click.option("--flow", metavar="NAMESPACE/ID", help="Those of this flow.")
@click.option("--kind", type=click.Choice(KINDS), help="Those of this kind.")
@click.option("--rule", help="Those of this rule: `ops`, or `NAMESPACE/ID:ops` of a flow.")
@click.option("--open", "open_only", is_flag=True, help="Those that are not over.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many at most.")
@options.as_json
@pass_application
def command(
    app: Application,
    namespace: str | None,
    flow: str | None,
    kind: str | None,
    rule: str | None,
    open_only: bool,
    limit: int,
    as_json: bool,
) -> None:
    """List alerts, newest first: what is or was wrong, since when, how often, and what became of the messages.

    --json prints: alerts (id, rule, kind, key, namespace, flow, execution, state, severity, title, error, labels,
    count, opened_at, last_at, closed_at, silence, deliveries (id, sink, state, title, attempts, error, created_at,
    sent_at, next_at, merged_into)).
    """
    from rota.server import alert_records as records

    if flow is not None:
        namespace, flow = options.flow_name(flow)
    rows = app.alerts.list(namespace=namespace, flow=flow, kind=kind, rule=rule, open_only=open_only, limit=limit)
    if as_json:
        print_json({"alerts": [records.incident(row) for row in rows]})
        return
    zone = ZoneInfo(app.settings.timezone)
    columns = ("id", "alert", "since", "until", "times", "rule", "told")
    print_table(columns, [_cells(row, zone) for row in rows], empty="there are no such alerts")


def _cells(row: Row, zone: ZoneInfo) -> tuple[Any, ...]:
    return (
        short_id(row["id"]),
        first_line(row["details"]["what"], 80),
        time_text(row["opened_at"], zone),
        time_text(row["closed_at"], zone),
        row["count"],
        row["rule"],
        told_text(row),
    )


def told_text(row: Row) -> str:
    """Return where an alert went: `chat sent, mail queued (3 tries)`."""
    if row["silence_id"] is not None:
        return f"silenced by {row['silence_id']}"
    if not row["deliveries"]:
        return "not yet" if row["pending"] else "nobody"
    seen: Counter[str] = Counter()
    for one in row["deliveries"]:
        again = f" ({tries(one['attempts'])})" if one["state"] in ("queued", "failed") and one["attempts"] else ""
        seen[f"{one['sink']} {one['state']}{again}"] += 1
    return ", ".join(text if count == 1 else f"{text} x{count}" for text, count in seen.items())
