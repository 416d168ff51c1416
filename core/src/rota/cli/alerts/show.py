"""`rota alerts show`: one alert, its messages, and what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from rota.cli import options
from rota.cli.alerts.kinds import tries
from rota.cli.application import pass_application
from rota.cli.formats import clean, time_text
from rota.cli.output import print_json, say

if TYPE_CHECKING:
    from rota.server.application import Application

Row = dict[str, Any]


@click.command()
@click.argument("id", metavar="ALERT")
@options.as_json
@pass_application
def command(app: Application, id: str, as_json: bool) -> None:
    """Show an alert, or a message by its delivery id: what was told, to whom, when, and what failed.

    --json prints an alert as `alerts list` does; of a message: id, sink, state, title, text, severity, attempts,
    error, created_at, sent_at, next_at, merged_into, alerts.
    """
    from rota.server import alert_records as records

    message = app.alerts.message(id)
    if message is not None:
        if as_json:
            print_json(records.message(message))
        else:
            _print_message(message, ZoneInfo(app.settings.timezone))
        return
    row = app.alerts.get(id)
    if as_json:
        print_json(records.incident(row))
    else:
        _print_incident(row, ZoneInfo(app.settings.timezone))


def _print_incident(row: Row, zone: ZoneInfo) -> None:
    say(f"{clean(row['details']['what'])}  {row['severity']}  rule {row['rule']}")
    say(f"id        {row['id']}")
    for name, value in (
        ("flow", f"{row['namespace']}/{row['flow']}" if row["flow"] else ""),
        ("execution", row["execution_id"] or ""),
        ("since", time_text(row["opened_at"], zone)),
        ("until", time_text(row["closed_at"], zone)),
        ("times", f"{row['count']}, last at {time_text(row['last_at'], zone)}" if row["count"] > 1 else ""),
        ("error", clean(str((row["details"].get("error") or {}).get("message") or ""))),
        ("silence", "" if row["silence_id"] is None else row["silence_id"]),
    ):
        if value != "":
            say(f"{name:<9} {value}")
    for one in row["deliveries"]:
        say(f"{time_text(one['created_at'], zone)}  {one['sink']}: {delivery_text(one, zone)}  {one['id']}")
        say(f"  {clean(one['alert']['title'])}")


def _print_message(row: Row, zone: ZoneInfo) -> None:
    say(clean(row["alert"]["title"]))
    say(f"id        {row['id']}")
    say(f"sink      {row['sink']}: {delivery_text(row, zone)}")
    for told in row["incidents"]:
        say(f"alert     {told['id']}  {clean(told['details']['what'])}")
    say()
    say(clean(row["alert"]["text"]))


def delivery_text(row: Row, zone: ZoneInfo) -> str:
    """Return what became of a message, in words."""
    if row["state"] == "sent":
        return f"sent at {time_text(row['sent_at'], zone)}" + (
            f" ({tries(row['attempts'])})" if row["attempts"] > 1 else ""
        )
    if row["state"] == "merged":
        return f"part of {row['merged_into']}"
    why = f": {clean(row['last_error'])}" if row["last_error"] else ""
    if row["state"] == "failed":
        return f"given up after {tries(row['attempts'])}{why}"
    return f"queued, {tries(row['attempts'])}, next at {time_text(row['next_at'], zone)}{why}"
