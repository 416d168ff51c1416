"""`rota executions list`: the executions, newest first."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from rota.cli import options
from rota.cli.application import command_line, pass_application
from rota.cli.formats import duration_text, problem_text, short_id, time_text
from rota.cli.output import note, print_json, print_table

if TYPE_CHECKING:
    from rota.server.application import Application

_STATES = "created queued running paused retrying cancelling success warning failed cancelled".split()


@click.command()
@click.option("--namespace", help="Those of this namespace and of those below it.")
@click.option("--flow", metavar="[NAMESPACE/]ID", help="Those of this flow.")
@click.option("--state", "states", multiple=True, type=click.Choice(_STATES), help="Those in this state.")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="Those with this label.")
@click.option("--since", metavar="TIME", help="Those created since: `2026-01-31T08:00`, or how long ago: `2d`.")
@click.option("--until", metavar="TIME", help="Those created before.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="How many at most.")
@click.option("--before", metavar="EXECUTION", help="Go on after this one, the last of the page before.")
@options.as_json
@pass_application
def command(app: Application, /, limit: int, as_json: bool, **filters: Any) -> None:
    """List executions, newest first.

    --json prints: executions (id, namespace, flow, state, run, problem, labels, trigger, author, parent, created_at,
    started_at, ended_at, duration), next (what --before takes for the next page, or null).
    """
    rows = app.executions.list(limit=limit + 1, **_filters(**filters))
    more = short_id(rows[limit - 1]["id"]) if len(rows) > limit else None
    rows = rows[:limit]
    if as_json:
        from rota.server import records

        full = rows[-1]["id"] if more else None
        print_json({"executions": [records.execution(row) for row in rows], "next": full})
        return
    columns = ("id", "flow", "state", "started", "duration", "problem")
    zone = ZoneInfo(app.settings.timezone)
    print_table(columns, [_cells(row, zone) for row in rows], empty="there are no such executions")
    if more:
        note(f"more: {command_line(f'executions list --before {more}')}, with the same options")


def _filters(
    namespace: str | None,
    flow: str | None,
    states: tuple[str, ...],
    labels: tuple[str, ...],
    since: str | None,
    until: str | None,
    before: str | None,
) -> dict[str, Any]:
    if flow is not None and "/" in flow:
        namespace, flow = options.flow_name(flow)
    return {
        "namespace": namespace,
        "flow": flow,
        "states": states,
        "labels": options.labels_of(labels),
        "since": options.time_of(since, "--since"),
        "until": options.time_of(until, "--until"),
        "before": before,
    }


def _cells(row: dict[str, Any], zone: ZoneInfo) -> list[Any]:
    started, ended = row["started_at"], row["ended_at"]
    taken = None if started is None else (ended or time.time()) - started
    return [
        short_id(row["id"]),
        f"{row['namespace']}/{row['flow']}",
        row["state"],
        time_text(started or row["created_at"], zone),
        duration_text(taken),
        problem_text(row["problem"]),
    ]
