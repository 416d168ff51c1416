"""`rota flows deploy`: checks flows, and makes them the newest revisions of themselves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rota.cli import options
from rota.cli.application import author, pass_application
from rota.cli.checking import checked
from rota.cli.output import note, print_json, say
from rota.errors import FlowError
from rota.server.flow_files import flow_files

if TYPE_CHECKING:
    from rota.server.application import Application


@click.command()
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--namespace", help="Deploy to this namespace, not to the ones that the files name.")
@options.as_json
@pass_application
def command(app: Application, paths: tuple[Path, ...], namespace: str | None, as_json: bool) -> None:
    """Deploy flow files, and those in folders; without any, those of the setting `flows`.

    All are checked before the first is deployed: with an error in one, none is. A flow that has not changed keeps its
    revision. --json prints: deployed (namespace, id, revision, changed, file).
    """
    loaded = []
    faults: FlowError | None = None
    files = flow_files(app, paths)
    for path in files:
        try:
            flow, warnings = checked(app, path, namespace, files=files)
        except FlowError as error:
            faults = FlowError([*(faults.findings if faults else ()), *error.findings])
            continue
        loaded.append((path, flow))
        for finding in () if as_json else warnings:
            note(str(finding))
    if faults:
        raise faults
    deployed = []
    for path, flow in loaded:
        done = app.flows.deploy(flow, namespace=namespace, author=author())
        where = namespace or flow.flow.namespace or "default"
        deployed.append(
            {
                "namespace": where,
                "id": flow.flow.id,
                "revision": done.number,
                "changed": done.changed,
                "file": str(path),
            }
        )
        if not as_json:
            say(f"{where}/{flow.flow.id}  revision {done.number}" + ("" if done.changed else ", unchanged"))
    if as_json:
        print_json({"deployed": deployed})
