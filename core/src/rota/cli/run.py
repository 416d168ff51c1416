"""`rota run`: runs a flow file here, or a deployed flow on the server that is there, and shows how it goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from rota.cli import options, suggestions
from rota.cli.application import author, command_line, pass_application
from rota.cli.checking import checked, is_file
from rota.cli.output import note, say
from rota.errors import UsageError

if TYPE_CHECKING:
    from rota.flows.given import Typed
    from rota.flows.models import Flow
    from rota.server.application import Application

Given = Mapping[str, "Typed"]


@click.command()
@click.argument("what", metavar="FILE|NAMESPACE/ID", shell_complete=suggestions.flows_and_files)
@options.inputs
@click.option("--namespace", help="Run the file in this namespace, not in the one that it names.")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="A label of the execution.")
@click.option("--detach", is_flag=True, help="Print the id and do not wait.")
@click.option("--background", is_flag=True, hidden=True)
@options.progress
@pass_application
def command(
    app: Application,
    /,
    what: str,
    inputs: tuple[str, ...],
    namespace: str | None,
    labels: tuple[str, ...],
    detach: bool,
    background: bool,
    **shown: Any,
) -> None:
    """Run a flow and show how it goes.

    A FILE is checked, stored as a draft, and run by this process. NAMESPACE/ID is a deployed flow: the server runs it
    if one is alive, else this process does and says so. Missing inputs are asked for on a terminal. Ctrl-C cancels the
    execution and waits until `finally` has run; a second one leaves at once.

    With --detach a FILE runs in the background, and a deployed flow is left to a server.

    --json prints one object at the end: id, namespace, flow, state, run, problem, labels, trigger, author, parent,
    created_at, started_at, ended_at, duration (seconds), inputs, outputs.
    """
    from rota.cli.background import arguments_of, go_on_alone, inputs_from_pipe, spawn
    from rota.cli.progress.following import Shown, follow
    from rota.cli.progress.interrupts import Interrupts
    from rota.flows.given import from_command_line

    given = from_command_line(inputs_from_pipe() if background else inputs)
    if is_file(what):
        start = _from_file(app, Path(what), given, namespace, labels)
    else:
        start = _from_store(app, what, given, namespace, labels, detach=detach)
    if detach and start.is_file:
        say(spawn(arguments_of(what, namespace, labels), start.given))
        return
    if detach:
        say(start.begin())
        return
    with Interrupts() as interrupts:
        begun = start.begin()
        if background:
            raise click.exceptions.Exit(go_on_alone(app, begun, interrupts))
        raise click.exceptions.Exit(follow(app, app.executions.watch(begun), begun, Shown(**shown), interrupts))


@dataclass(frozen=True, slots=True)
class _Start:
    """An execution about to begin: checked, its inputs complete as far as somebody could be asked."""

    is_file: bool
    given: dict[str, Typed]
    begin: Callable[[], str]


def _from_file(app: Application, path: Path, given: Given, namespace: str | None, labels: tuple[str, ...]) -> _Start:
    loaded, _ = checked(app, path, namespace)
    answers = _ask(app, loaded.flow, given)

    def begin() -> str:
        wanted = options.labels_of(labels)
        return app.executions.run_file(loaded, answers, namespace=namespace, labels=wanted, author=author())

    return _Start(True, answers, begin)


def _from_store(
    app: Application, what: str, given: Given, namespace: str | None, labels: tuple[str, ...], *, detach: bool
) -> _Start:
    from rota.flows.loader import parse_flow

    if namespace is not None:
        raise UsageError("--namespace is for flow files", hint=f"a deployed flow is in its own: `rota run {what}`")
    where, flow = options.flow_name(what)
    row = app.flows.get(where, flow)
    answers = _ask(app, parse_flow(row["source"], f"{what}.yaml").flow, given)
    served = app.executions.server_is_alive()
    if not served:
        command = command_line("serve")
        note(f"no server is alive: it starts when `{command}` does" if detach else "no server is alive: it runs here")

    def begin() -> str:
        here, wanted = not served and not detach, options.labels_of(labels)
        return app.executions.start(where, flow, answers, labels=wanted, here=here, author=author())

    return _Start(False, answers, begin)


def _ask(app: Application, flow: Flow, given: Given) -> dict[str, Typed]:
    from rota.cli.asking import ask_missing

    return ask_missing(flow.inputs, given, ZoneInfo(flow.timezone or app.settings.timezone))
