"""`rota executions resume`: answers what waits for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rota.cli import options
from rota.cli.application import author, pass_application
from rota.cli.formats import short_id
from rota.cli.output import say

if TYPE_CHECKING:
    from rota.server.application import Application


@click.command()
@options.execution
@options.inputs
@click.option("--task", help="Which task run is meant, if several wait.")
@click.option("--reject", is_flag=True, help="Say no: the pause fails, the fleet stops.")
@pass_application
def command(app: Application, id: str, inputs: tuple[str, ...], task: str | None, reject: bool) -> None:
    """Answer a `pause`, approve the next batch of a fleet, or decide about one that failed too often.

    Missing inputs are asked for on a terminal.
    """
    from rota.cli.asking import ask_missing
    from rota.flows.given import from_command_line

    full = app.executions.resolve(id)
    given = from_command_line(inputs)
    if not reject:
        given = ask_missing(app.executions.questions(full, task), given)
    app.executions.resume(full, task=task, inputs=given, reject=reject, author=author())
    say(f"{'rejected' if reject else 'resumed'} {short_id(full)}")
