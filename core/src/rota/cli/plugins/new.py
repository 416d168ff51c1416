"""`rota plugins new`: writes a plugin that installs and whose tests pass."""

from __future__ import annotations

from pathlib import Path

import click

from rota.cli.output import say


@click.command()
@click.argument("name")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, file_okay=False), help="The folder. Default: rota-NAME."
)
def command(name: str, output: Path | None) -> None:
    """Write a new plugin: a package that installs, with one task type and tests that pass as written."""
    from rota.scaffold import new_plugin

    for path in new_plugin(name, output):
        say(f"wrote {path}")
    say(f"next: pip install -e {output or f'rota-{name}'} && rota plugins")
