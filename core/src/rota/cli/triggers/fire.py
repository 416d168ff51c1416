"""`rota triggers fire`: starts a flow as one of its triggers would."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from rota.cli import options
from rota.cli.application import author, pass_application
from rota.cli.output import say
from rota.cli.triggers import trigger_name
from rota.errors import UsageError

if TYPE_CHECKING:
    from rota.server.application import Application


@click.command()
@trigger_name.argument
@options.inputs
@click.option("--date", metavar="TIME", help="The date it is for, which is `trigger.date`. Default: now.")
@click.option("--event", metavar="JSON", help="What is `trigger.event`: a JSON object.")
@pass_application
def command(
    app: Application, flow: str, trigger: str, inputs: tuple[str, ...], date: str | None, event: str | None
) -> None:
    """Start a flow as its trigger would, whatever its `when` says, and print the execution's id.

    A server runs it. Inputs given here go over those that the trigger gives.
    """
    from rota.flows.given import from_command_line

    at = options.time_of(date, "--date")
    execution = app.triggers.fire(
        *options.flow_name(flow),
        trigger,
        date=None if at is None else datetime.fromtimestamp(at, UTC),
        event=_event(event),
        inputs=from_command_line(inputs),
        author=author(),
    )
    say(execution)


def _event(text: str | None) -> dict[str, Any]:
    import json

    if text is None:
        return {}
    try:
        found = json.loads(text)
    except ValueError as error:
        raise UsageError(f"--event is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise UsageError("--event is a JSON object", hint='write `{"name": "value"}`')
    return found
