"""`rota plugins show`: what a type takes and gives, with an example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from rota.cli import options, suggestions
from rota.cli.application import pass_application
from rota.cli.output import print_json, say
from rota.errors import PluginError

if TYPE_CHECKING:
    from rota.extensions import Extension
    from rota.flows.describe import FieldDoc, TypeInfo
    from rota.server.application import Application


@click.command()
@click.argument("type_name", metavar="TYPE", shell_complete=suggestions.types)
@options.as_json
@pass_application
def command(app: Application, type_name: str, as_json: bool) -> None:
    """Show what a type takes and gives, with an example.

    --json prints a list, an object for each kind that has the name: name, kind, summary, description, fields (name,
    type, required, default, doc, note, fields), output_type, output (as fields), open_output, example, idempotent.
    """
    from rota.flows.describe import describe

    infos = [describe(cls, type_name, kind) for kind, cls in _found(app, type_name)]
    if as_json:
        print_json([asdict(info) for info in infos])
        return
    for index, info in enumerate(infos):
        if index:
            say()
        _print(info)


def _found(app: Application, name: str) -> list[tuple[str, type[Extension]]]:
    """Return the classes of that name, a task type first. Raises PluginError as for an unknown task type."""
    plugins = app.plugins
    lookups = {
        "task type": plugins.task_type,
        "trigger": plugins.trigger_type,
        "secret backend": plugins.secret_backend,
        "alert sink": plugins.alert_sink,
        "artifact store": plugins.artifact_store,
        "executor": plugins.executor,
    }
    found: list[tuple[str, type[Extension]]] = []
    first: PluginError | None = None
    for kind, lookup in lookups.items():
        try:
            found.append((kind, lookup(name)))
        except PluginError as error:
            first = first or error
    if name in (services := plugins.service_types()):
        found.append(("service", services[name]))
    if not found and first is not None:
        raise first
    return found


def _print(info: TypeInfo) -> None:
    say(f"{info.name}: {info.kind}")
    if info.summary:
        say(info.summary)
    if info.description:
        say(f"\n{info.description}")
    if info.fields:
        say("\nfields:")
        _print_fields(info.fields, "  ")
    if info.kind == "task type":
        say(f"\noutput: {info.output_type}")
        _print_fields(info.output, "  ", of_output=True)
        say(f"\nsafe to run again when lost: {info.idempotent}")
    if info.example:
        say("\nexample:")
        for line in info.example.splitlines():
            say(f"  {line}".rstrip())


def _print_fields(fields: Sequence[FieldDoc], indent: str, *, of_output: bool = False) -> None:
    for field in fields:
        notes = [field.type, *([field.note] if field.note else [])]
        if not of_output:
            notes.append("required" if field.required else f"default {field.default}" if field.default else "optional")
        say(f"{indent}{field.name} ({', '.join(notes)})")
        for line in field.doc.splitlines():
            say(f"{indent}    {line}".rstrip())
        _print_fields(field.fields, f"{indent}    ", of_output=of_output)
