"""`rota flows export`: writes deployed flows, with their files, into a folder."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import click

from rota.cli import options, suggestions
from rota.cli.application import pass_application
from rota.cli.output import say
from rota.errors import UsageError

if TYPE_CHECKING:
    from rota.server.application import Application


@click.command()
@click.argument("names", metavar="[NAMESPACE/ID]...", nargs=-1, shell_complete=suggestions.flows)
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path, file_okay=False), help="The folder.")
@click.option("--force", is_flag=True, help="Write over files that are there.")
@pass_application
def command(app: Application, names: tuple[str, ...], output: Path, force: bool) -> None:
    """Write deployed flows, all without a name, as FOLDER/NAMESPACE/ID/flow.yaml with their files beside it."""
    wanted = [options.flow_name(name) for name in names]
    wanted = wanted or [(row["namespace"], row["id"]) for row in app.flows.list()]
    contents: dict[Path, bytes] = {}
    for namespace, flow in wanted:
        row = app.flows.get(namespace, flow)
        contents |= _contents(output / namespace / flow, row, app.flows.files(row))
    if not force and (there := next((path for path in contents if path.exists()), None)):
        raise UsageError(f"`{there}` is there already", hint="name another folder, or add --force")
    for path, content in contents.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    say(f"wrote {len(wanted)} flows to {output}")


def _contents(folder: Path, row: dict[str, Any], files: dict[str, bytes]) -> dict[Path, bytes]:
    found = {folder / "flow.yaml": row["source"].encode()}
    for name, content in files.items():
        parts = PurePosixPath(name).parts
        if ".." in parts or name.startswith("/"):
            raise UsageError(f"the file `{name}` of the flow would be written outside of its folder")
        found[folder.joinpath(*parts)] = content
    return found
