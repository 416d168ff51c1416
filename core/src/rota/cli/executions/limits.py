"""`rota executions limits`: changes the limits of a fleet while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rota.cli import options
from rota.cli.application import author, pass_application
from rota.cli.formats import short_id
from rota.cli.output import say
from rota.errors import UsageError

if TYPE_CHECKING:
    from rota.server.application import Application


@click.command()
@options.execution
@click.argument("task")
@click.option("--max-parallel", type=click.IntRange(min=1), help="How many targets are worked on at the same time.")
@click.option("--max-failures", type=click.IntRange(min=0), help="How many targets may fail.")
@pass_application
def command(app: Application, id: str, task: str, max_parallel: int | None, max_failures: int | None) -> None:
    """Change the limits of the fleet TASK while it runs; both are numbers of targets."""
    if max_parallel is None and max_failures is None:
        raise UsageError("no limit is given", hint="--max-parallel, --max-failures, or both")
    full = app.executions.resolve(id)
    app.executions.change_limits(full, task, max_parallel=max_parallel, max_failures=max_failures, author=author())
    say(f"asked {short_id(full)} to go on with the new limits")
