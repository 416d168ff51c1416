"""`rota plan`: what a run would do, without doing it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from rota.cli import options, suggestions
from rota.cli.application import pass_application
from rota.cli.checking import checked, is_file
from rota.cli.output import print_json

if TYPE_CHECKING:
    from rota.flows.loader import LoadedFlow
    from rota.server.application import Application


@click.command()
@click.argument("what", metavar="FILE|NAMESPACE/ID", shell_complete=suggestions.flows_and_files)
@options.inputs
@click.option("--namespace", help="Plan for the file in this namespace, not in the one that it names.")
@click.option(
    "--expand", type=click.IntRange(min=0), default=1, show_default=True, help="Iterations shown of each list."
)
@click.option("--timeout", metavar="DURATION", default="30s", show_default=True, help="How long it may take.")
@options.as_json
@pass_application
def command(
    app: Application,
    what: str,
    inputs: tuple[str, ...],
    namespace: str | None,
    expand: int,
    timeout: str,
    as_json: bool,
) -> None:
    """Show what a run would do, without doing it.

    The tree of tasks with their values as far as they are known before a run, the targets by batch, secrets by name
    only, what plugins say they would do; `unknown` where only a run can tell.

    --json prints: namespace, flow, inputs, blocks (name, note, tasks), outputs.
    """
    from rota.cli.asking import ask_missing
    from rota.flows.given import from_command_line
    from rota.server.planning import plan, plan_text

    loaded = checked(app, Path(what), namespace)[0] if is_file(what) else _deployed(app, what)
    given = ask_missing(loaded.flow.inputs, from_command_line(inputs))
    seconds = options.duration_of(timeout, "--timeout").total_seconds()
    where = namespace or (None if is_file(what) else what.rpartition("/")[0])
    found = plan(loaded, given, app.settings, namespace=where, seconds=seconds, expand=expand)
    if as_json:
        print_json(found.model_dump(mode="json"))
    else:
        click.echo(plan_text(found), nl=False)


def _deployed(app: Application, what: str) -> LoadedFlow:
    from rota.flows.loader import parse_flow

    namespace, flow = options.flow_name(what)
    defaults = app.settings.namespace_settings(namespace).defaults
    return parse_flow(app.flows.get(namespace, flow)["source"], f"{what}.yaml", defaults_of=lambda _: defaults)
