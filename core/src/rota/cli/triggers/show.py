"""`rota triggers show`: one trigger, as it is defined and where it stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from rota.cli import options
from rota.cli.application import pass_application
from rota.cli.formats import clean, time_text
from rota.cli.output import print_json, say
from rota.cli.triggers import trigger_name
from rota.cli.triggers.trigger_name import iso, record

if TYPE_CHECKING:
    from rota.server.application import Application


@click.command()
@trigger_name.argument
@options.as_json
@pass_application
def command(app: Application, flow: str, trigger: str, as_json: bool) -> None:
    """Show a trigger of a deployed flow: its definition, when it starts next, and what went wrong.

    --json prints what `list` does, with definition, upcoming (date, at) and switched: who switched it on or off last
    (at, author; execution_id and state where that was its own `stop_after`), null where nobody has.
    """
    row = app.triggers.get(*options.flow_name(flow), trigger)
    if as_json:
        upcoming = [{name: iso(at) for name, at in one.items()} for one in row["upcoming"]]
        switched = row["switched"] and {**row["switched"], "at": iso(row["switched"]["at"])}
        print_json({**record(row), "upcoming": upcoming, "switched": switched})
        return
    zone = ZoneInfo(app.settings.timezone)
    say(f"{flow} {trigger}")
    for name, value in row["definition"].items():
        if name != "id":
            say(f"  {name}: {clean(str(value))}")
    say(f"on:       {_is_on(row, zone)}")
    if row["last_at"] is not None:
        say(f"last:     {time_text(row['last_at'], zone)}  {row['execution_id'] or ''}".rstrip())
    if row["last_error"]:
        say(f"failed:   {row['failures']} times in a row: {clean(row['last_error'])}")
    for number, one in enumerate(row["upcoming"]):
        late = "" if one["at"] == one["date"] else f"  (starts at {time_text(one['at'], zone)})"
        say(f"{'next:' if number == 0 else '':9} {time_text(one['date'], zone)}{late}")


def _is_on(row: dict[str, Any], zone: ZoneInfo) -> str:
    if row["enabled"]:
        return "no, by the flow" if row["disabled"] else "yes"
    if not (by := row["switched"]):
        return "no"
    at = time_text(by["at"], zone)
    if "execution_id" in by:
        return f"no, since {at}: by `stop_after`, execution {by['execution_id']} ended in {by['state']}"
    return f"no, since {at}, by {clean(by['author']) or 'somebody'}"
