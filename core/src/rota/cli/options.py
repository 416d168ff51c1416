"""The options and arguments that several commands have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import click

from rota.cli import suggestions
from rota.errors import UsageError

Decorator = Callable[[Any], Any]


def _named(ctx: click.Context, _param: click.Parameter, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
    """Put the id of the execution that the caller started last for `latest`. Raises NotFound."""
    if isinstance(value, tuple):
        return tuple(str(_named(ctx, _param, one)) for one in value)
    if value != "latest":
        return value
    from rota.cli.application import application_of, author

    return application_of(ctx).executions.latest(author())


as_json: Decorator = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
execution: Decorator = click.argument("id", metavar="EXECUTION", callback=_named, shell_complete=suggestions.executions)
executions: Decorator = click.argument(
    "ids", metavar="EXECUTION...", nargs=-1, required=True, callback=_named, shell_complete=suggestions.executions
)
inputs: Decorator = click.option(
    "-i",
    "--input",
    "inputs",
    multiple=True,
    metavar="NAME=VALUE",
    help="An input; NAME=@FILE reads it from a file, NAME=@@TEXT is text that starts with @.",
)
yes: Decorator = click.option("-y", "--yes", is_flag=True, help="Do not ask.")


def progress(function: Any) -> Any:
    """Add the options of commands that follow an execution to its end."""
    for option in (
        click.option("--plain", is_flag=True, help="Plain lines instead of a live tree, as without a terminal."),
        click.option("-q", "--quiet", is_flag=True, help="Show nothing but what failed."),
        click.option("--strict", is_flag=True, help="Exit with 3 when the execution ends in `warning`."),
        click.option("--json", "as_json", is_flag=True, help="Print the execution as JSON once it has ended."),
    ):
        function = option(function)
    return function


def labels_of(assignments: Iterable[str]) -> dict[str, str]:
    """Return the labels that `name=value` arguments give. Raises UsageError."""
    labels = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or not name:
            raise UsageError(f"`{assignment}` is no label", hint="a label is given as `name=value`")
        labels[name] = text
    return labels


def texts_of(assignments: Iterable[str]) -> dict[str, str]:
    """Return inputs given as `name=value`, for what is kept for later: files are read now. Raises UsageError."""
    from rota.flows.given import from_command_line

    found = from_command_line(assignments)
    try:
        return {name: one.text if one.file is None else one.file.read_text("utf-8") for name, one in found.items()}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"an input cannot be read: {error}") from None


def flow_name(text: str) -> tuple[str, str]:
    """Return namespace and id of `NAMESPACE/ID`. Raises UsageError."""
    namespace, slash, flow = text.rpartition("/")
    if not slash or not namespace or not flow or "/" in namespace:
        raise UsageError(f"`{text}` names no flow", hint="a deployed flow is named NAMESPACE/ID: `data.mongo/backup`")
    return namespace, flow


def duration_of(text: str, option: str) -> timedelta:
    """Return the duration that an option was given. Raises UsageError."""
    from rota.flows.durations import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from None


def time_of(text: str | None, option: str) -> float | None:
    """Return a time (seconds since 1970) from ISO 8601 text, or from how long ago it was. Raises UsageError."""
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        import time

        return time.time() - duration_of(text, option).total_seconds()
    return at.astimezone().timestamp()


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be taken back, and end on a no. Raises UsageError where nobody can be asked."""
    import sys

    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("this cannot be taken back, and there is no terminal to ask", hint="add --yes")
    if not click.confirm(question, err=True):
        raise click.exceptions.Exit(1)
