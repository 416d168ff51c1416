"""`rota schema`: the JSON Schema of flows, for editors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rota.cli.application import pass_application
from rota.cli.output import note, print_json

if TYPE_CHECKING:
    from rota.server.application import Application


@click.command()
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file.")
@pass_application
def command(app: Application, output: Path | None) -> None:
    """Print the JSON Schema of flows.

    It covers the types of all installed plugins. A YAML language server completes and checks flows with it: begin a
    flow with `# yaml-language-server: $schema=FILE`.
    """
    import json

    from rota.flows.schema import build

    schema = build(app.plugins)
    if output is None:
        print_json(schema)
        return
    output.write_text(f"{json.dumps(schema, indent=2, ensure_ascii=False)}\n", encoding="utf-8")
    note(f"wrote {output}; begin flows with: # yaml-language-server: $schema={output}")
