"""`rota triggers backfill`: makes up for dates of a schedule."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from rota.cli import options
from rota.cli.application import author, pass_application
from rota.cli.formats import time_text
from rota.cli.output import note, print_json, say
from rota.cli.triggers import trigger_name
from rota.cli.triggers.trigger_name import iso

if TYPE_CHECKING:
    from rota.server.application import Application

SHOWN = 20


@click.command()
@trigger_name.argument
@click.option("--since", metavar="TIME", required=True, help="The first date, or how long ago: `30d`.")
@click.option("--until", metavar="TIME", default="0s", help="The end, itself not included. Default: now.")
@click.option(
    "--scope",
    type=click.Choice(["missing", "failed", "all"]),
    default="missing",
    show_default=True,
    help="Dates that never started; those and dates that did not end well; every date.",
)
@options.inputs
@click.option("--max-running", type=click.IntRange(1), default=1, show_default=True, help="So many at a time.")
@click.option("--per-minute", type=click.FloatRange(0, min_open=True), help="At most so many starts a minute.")
@click.option("--dry-run", is_flag=True, help="Only show the dates of the period.")
@options.as_json
@pass_application
def command(
    app: Application,
    flow: str,
    trigger: str,
    since: str,
    until: str,
    scope: str,
    inputs: tuple[str, ...],
    max_running: int,
    per_minute: float | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Start the flow for dates of a period that its schedule should have had.

    A server works it off, oldest date first; `rota triggers backfills` shows how far it is, and pauses it.

    --json prints: backfill, or with --dry-run: dates.
    """
    name, zone = options.flow_name(flow), ZoneInfo(app.settings.timezone)
    first, last = _time(since, zone, "--since"), _time(until, zone, "--until")
    if dry_run:
        _show(app.triggers.backfills.dates(*name, trigger, first, last), zone, as_json=as_json)
        return
    number = app.triggers.backfills.start(
        *name,
        trigger,
        since=first,
        until=last,
        scope=scope,
        inputs=options.texts_of(inputs),
        max_running=max_running,
        per_minute=per_minute,
        author=author(),
    )
    if as_json:
        print_json({"backfill": number})
        return
    say(f"backfill {number}")
    if not app.executions.server_is_alive():
        note("no server is alive: it begins when `rota serve` does")


def _show(dates: list[float], zone: ZoneInfo, *, as_json: bool) -> None:
    if as_json:
        print_json({"dates": [iso(date) for date in dates]})
        return
    for date in dates[:SHOWN]:
        say(time_text(date, zone))
    note(f"{len(dates)} dates" + (f", {SHOWN} of them shown" if len(dates) > SHOWN else ""))


def _time(text: str, zone: ZoneInfo, option: str) -> float:
    """Return a time, read in the timezone of the settings where it names none. Raises UsageError."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        found = options.time_of(text, option)
        assert found is not None
        return found
    return (at if at.tzinfo else at.replace(tzinfo=zone)).timestamp()
