"""`rota purge`: removes old executions with all that belongs to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rota.cli import options
from rota.cli.application import pass_application
from rota.cli.output import print_json, say

if TYPE_CHECKING:
    from rota.server.application import Application

STATES = ("success", "warning", "failed", "cancelled")


@click.command()
@click.option("--older-than", required=True, metavar="DURATION", help="Those that ended longer ago: `30d`.")
@click.option("--state", "states", multiple=True, type=click.Choice(STATES), help="Only those in this state.")
@click.option("--namespace", help="Only those of this namespace and of those below it.")
@click.option("--dry-run", is_flag=True, help="Only say how many there are.")
@options.yes
@options.as_json
@pass_application
def command(
    app: Application,
    older_than: str,
    states: tuple[str, ...],
    namespace: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Remove old executions, with their logs, outputs and artifacts.

    Nobody who works meanwhile has to wait. --json prints: executions, rows, artifacts, revisions (how many of each
    were removed), dry_run.
    """
    age = options.duration_of(older_than, "--older-than")
    if not dry_run:
        options.confirm(f"Remove all executions that ended more than {older_than} ago?", yes=yes)
    purged = app.maintenance.purge(age, namespace=namespace, states=states, dry_run=dry_run)
    counts = {name: getattr(purged, name) for name in ("executions", "rows", "artifacts", "revisions")}
    if as_json:
        print_json({**counts, "dry_run": dry_run})
    elif dry_run:
        say(f"{purged.executions} executions would be removed")
    else:
        say(f"removed {purged.executions} executions, {purged.artifacts} artifacts, {purged.revisions} drafts")
