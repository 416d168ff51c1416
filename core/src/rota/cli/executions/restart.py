"""`rota executions restart`: goes on with an execution that has ended, at what did not succeed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from rota.cli import options
from rota.cli.application import author, pass_application
from rota.cli.formats import clean
from rota.cli.output import print_json, say

if TYPE_CHECKING:
    from rota.server.application import Application

_MOST = 20


@click.command()
@options.execution
@click.option("--dry-run", is_flag=True, help="Only say what would run.")
@click.option("--targets", metavar="A,B", help="Only these targets or iterations, named by their keys.")
@click.option("--run-lost", is_flag=True, help="Run lost tasks again, although they may have taken effect.")
@click.option("--revision", type=click.Choice(["same", "latest"]), default="same", show_default=True)
@click.option("--detach", is_flag=True, help="Leave it to a server and do not wait.")
@options.progress
@pass_application
def command(
    app: Application,
    /,
    id: str,
    dry_run: bool,
    targets: str | None,
    run_lost: bool,
    revision: str,
    detach: bool,
    **shown: Any,
) -> None:
    """Go on with an execution that has ended, at what did not succeed.

    It first says what runs and what runs again. Then a server goes on with it where it was a server's and one is alive,
    else this process does; --detach waits for neither.

    --json prints with --dry-run: runs, again, lost (lists of task runs); else what `rota run --json` prints.
    """
    from rota.cli.progress.following import Shown, leave_or_follow
    from rota.cli.progress.interrupts import Interrupts

    full = app.executions.resolve(id)
    keys = [key for key in targets.split(",") if key] if targets else None
    plan = app.executions.restart_plan(full, targets=keys)
    if shown["as_json"]:
        if dry_run:
            print_json(plan)
    elif not shown["quiet"]:
        _print_plan(plan)
    if dry_run:
        return
    with Interrupts() as interrupts:
        watch = app.executions.watch(full, restart=True)
        wanted = None if revision == "same" else revision
        app.executions.restart(full, targets=keys, run_lost=run_lost, revision=wanted, author=author())
        code = leave_or_follow(app, watch, full, Shown(**shown), interrupts, detach=detach)
    raise click.exceptions.Exit(code)


def _print_plan(plan: dict[str, Any]) -> None:
    for title, name in (("runs", "runs"), ("runs again, although it ended well", "again"), ("was lost", "lost")):
        names = plan[name]
        if names:
            say(f"{title}:")
            for one in names[:_MOST]:
                say(f"  {clean(one)}")
            if len(names) > _MOST:
                say(f"  … and {len(names) - _MOST} more")
