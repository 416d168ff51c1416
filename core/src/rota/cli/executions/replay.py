"""`rota executions replay`: runs the same revision with the same inputs as a new execution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rota.cli import options
from rota.cli.application import author, pass_application

if TYPE_CHECKING:
    from rota.server.application import Application


@click.command()
@options.execution
@click.option("--detach", is_flag=True, help="Leave it to a server and do not wait.")
@options.progress
@pass_application
def command(app: Application, /, id: str, detach: bool, **shown: Any) -> None:
    """Run the same revision with the same inputs again, as a new execution.

    A server runs it where the first one was a server's and one is alive, else this process does. --json prints what
    `rota run --json` prints.
    """
    from rota.cli.progress.following import Shown, leave_or_follow
    from rota.cli.progress.interrupts import Interrupts

    with Interrupts() as interrupts:
        new = app.executions.replay(app.executions.resolve(id), author=author())
        code = leave_or_follow(app, app.executions.watch(new), new, Shown(**shown), interrupts, detach=detach)
    raise click.exceptions.Exit(code)
