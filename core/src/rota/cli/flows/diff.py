"""`rota flows diff`: what differs between a flow file and what is deployed, or between two revisions."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rota.cli import options, suggestions
from rota.cli.application import pass_application
from rota.cli.checking import is_file
from rota.cli.colours import paint
from rota.cli.output import note, print_json, say
from rota.errors import NotFound, UsageError
from rota.server.flow_files import read_flow

if TYPE_CHECKING:
    from rota.server.application import Application


@click.command()
@click.argument("what", metavar="FILE|NAMESPACE/ID", shell_complete=suggestions.flows_and_files)
@click.option("--namespace", help="Compare with the flow in this namespace, not in the one that the file names.")
@click.option("--from", "old", type=int, metavar="REVISION", help="Compare from this revision.")
@click.option("--to", "new", type=int, metavar="REVISION", help="Compare to this revision. Default: the newest.")
@options.as_json
@pass_application
def command(
    app: Application, what: str, namespace: str | None, old: int | None, new: int | None, as_json: bool
) -> None:
    """Show what differs between a flow file and what is deployed, or between two revisions.

    Of NAMESPACE/ID it compares the newest revision with the one before, unless told otherwise. --json prints: flow,
    changed, diff (text, as of `diff -u`), files (the names of those that differ).
    """
    if is_file(what):
        name, before, after = _file(app, Path(what), namespace, old)
    else:
        name, before, after = _revisions(app, what, old, new)
    lines = list(difflib.unified_diff(before.lines, after.lines, before.title, after.title, lineterm=""))
    files = sorted(path for path, _ in before.files.items() ^ after.files.items())
    if as_json:
        print_json(
            {"flow": name, "changed": bool(lines or files), "diff": "\n".join(lines), "files": sorted(set(files))}
        )
        return
    if not lines and not files:
        note("nothing differs")
    for line in lines:
        say(paint(line, {"+": "green", "-": "red", "@": "cyan"}[line[0]]) if line[:1] in ("+", "-", "@") else line)
    for path in dict.fromkeys(files):
        say(f"the file {path} differs")


class _Side:
    """One side of a comparison."""

    def __init__(self, title: str, source: str, files: dict[str, str]) -> None:
        self.title, self.lines, self.files = title, source.splitlines(), files


def _file(app: Application, path: Path, namespace: str | None, old: int | None) -> tuple[str, _Side, _Side]:
    loaded = read_flow(app, path, namespace)
    where, flow = namespace or loaded.flow.namespace or "default", loaded.flow.id
    new = _Side(str(path), loaded.source, {file.name: file.sha256 for file in loaded.files})
    try:
        return f"{where}/{flow}", _side(f"{where}/{flow}", app.flows.get(where, flow, number=old)), new
    except NotFound:
        if old is not None:
            raise
        return f"{where}/{flow}", _Side("nothing is deployed", "", {}), new


def _revisions(app: Application, what: str, old: int | None, new: int | None) -> tuple[str, _Side, _Side]:
    where, flow = options.flow_name(what)
    after = app.flows.get(where, flow, number=new)
    older = [row["number"] for row in app.flows.revisions(where, flow) if row["number"] < after["number"]]
    if old is None and not older:
        raise UsageError(f"`{what}` has no revision before {after['number']}", hint="`rota flows show` lists them")
    before = app.flows.get(where, flow, number=old if old is not None else older[0])
    return what, _side(what, before), _side(what, after)


def _side(name: str, row: dict[str, Any]) -> _Side:
    return _Side(f"{name} revision {row['number']}", row["source"], row["files"])
