"""`rota triggers next`: the next dates of a schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from rota.cli import options
from rota.cli.application import pass_application
from rota.cli.formats import time_text
from rota.cli.output import print_json, print_table
from rota.cli.triggers import trigger_name
from rota.cli.triggers.trigger_name import iso

if TYPE_CHECKING:
    from rota.server.application import Application


@click.command()
@trigger_name.argument
@click.option("-n", "--count", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many.")
@click.option("--after", metavar="TIME", help="The first ones after this time. Default: now.")
@options.as_json
@pass_application
def command(app: Application, flow: str, trigger: str, count: int, after: str | None, as_json: bool) -> None:
    """Show the next dates of a schedule.

    --json prints: dates (date, at): `at` is later by the schedule's jitter.
    """
    since = options.time_of(after, "--after")
    rows = app.triggers.upcoming(*options.flow_name(flow), trigger, count=count, after=since)
    if as_json:
        print_json({"dates": [{name: iso(at) for name, at in row.items()} for row in rows]})
        return
    zone = ZoneInfo(app.settings.timezone)
    cells = [(time_text(row["date"], zone), time_text(row["at"], zone)) for row in rows]
    print_table(("date", "starts"), cells, empty="it has no more dates")
