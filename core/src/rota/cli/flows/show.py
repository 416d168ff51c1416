"""`rota flows show`: a deployed flow, its source and its revisions."""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from rota.cli import options, suggestions
from rota.cli.application import pass_application
from rota.cli.formats import time_text
from rota.cli.output import note, print_json, say

if TYPE_CHECKING:
    from rota.server.application import Application

_MOST = 10


@click.command()
@click.argument("name", metavar="NAMESPACE/ID", shell_complete=suggestions.flows)
@click.option("--revision", type=int, help="Show this revision, not the newest.")
@options.as_json
@pass_application
def command(app: Application, name: str, revision: int | None, as_json: bool) -> None:
    """Show a deployed flow: its source on stdout, its revisions on stderr.

    --json prints: namespace, id, revision, source, files, author, checksum, created_at, revisions (revision, author,
    checksum, files, created_at).
    """
    from rota.server import records

    namespace, flow = options.flow_name(name)
    row = app.flows.get(namespace, flow, number=revision)
    history = app.flows.revisions(namespace, flow)
    shown = next(one for one in history if one["number"] == row["number"])
    if as_json:
        revisions = [records.revision(one) for one in history]
        named = {"namespace": namespace, "id": flow}
        print_json({**named, **records.revision(shown), "source": row["source"], "revisions": revisions})
        return
    zone = ZoneInfo(app.settings.timezone)
    for one in history[:_MOST]:
        mark = " (shown)" if one["number"] == row["number"] else ""
        note(f"revision {one['number']}  {time_text(one['created_at'], zone)}  {one['author']}{mark}")
    if row["files"]:
        note(f"files: {', '.join(sorted(row['files']))}")
    say(row["source"].rstrip("\n"))
