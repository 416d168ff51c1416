"""Writes the generated pages of docs/reference; with --check, says which are out of date and fails."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel

REFERENCE = Path(__file__).parent.parent / "docs" / "reference"
NOTE = "<!-- This page is generated: change the docstrings it is made of, then run `make docs`. -->"

Lines = Iterator[str]


def language() -> Lines:
    """The keys of the language, and the core's own types."""
    from rota.flows import alerts, inputs, models, triggers

    about = "Every key of a flow. How values, scopes and fleets behave: [the language](../language.md)."
    yield from _title("Language reference", about)
    yield from _model("Flow", models.Flow)
    yield from _model("Keys of every task", models.Step)
    yield from _model("Keys of every scope", models.Scope, without=models.Step)
    for name, cls in models.CONTROL_TYPES.items():
        yield from _model(f"`{name}`", cls, without=models.Scope if issubclass(cls, models.Scope) else models.Step)
    for title, cls in _named(models, "Retry", "Lock", "Rollout", "Expect", "Approve", "Concurrency", "Sla"):
        yield from _model(title, cls)
    yield from _model("Alert rule", alerts.FlowAlert)
    yield "## Inputs\n"
    for cls in _subclasses(inputs.InputKeys):
        yield from _model(f"Input `{_literal(cls)}`", cls, without=inputs.InputKeys, level=3)
    yield from _model("Keys of every input", inputs.InputKeys, level=3)
    yield "## Triggers\n"
    yield from _model("Keys of every trigger", triggers.TriggerKeys, level=3)
    for cls in _subclasses(triggers.TriggerKeys):
        yield from _model(f"Trigger `{_literal(cls)}`", cls, without=triggers.TriggerKeys, level=3)


def types() -> Lines:
    """The core's own task types, secret backends and alert sinks."""
    from rota.flows.describe import describe
    from rota.plugins import Plugins

    yield from _title("Built-in types", "What `rota plugins show TYPE` tells of the types that come with Rota.")
    plugins = Plugins()
    lookups: dict[str, Callable[[str], Any]] = {
        "task type": plugins.task_type,
        "secret backend": plugins.secret_backend,
        "alert sink": plugins.alert_sink,
    }
    core = next(info for info in plugins.all() if info.name == "core")
    for kind, lookup in lookups.items():
        yield f"## {kind.capitalize()}s\n"
        for name in core.types[kind]:
            yield from _type(describe(lookup(name), name, kind))


def commands() -> Lines:
    """The command line."""
    from rota.cli.launcher import rota

    yield from _title("Command reference", "Every command of `rota`, as its `--help` tells it.")
    context = click.Context(rota, info_name="rota")
    yield from _command(rota, context)


def settings() -> Lines:
    """The settings."""
    from rota.flows.alerts import AlertRule
    from rota.settings import Settings
    from rota.settings import models as parts

    about = "The keys of `rota.yaml`. A key of a plain value is also a variable: `ROTA_WORKERS=8`."
    yield from _title("Settings", about)
    yield f"{_summary(Settings)}\n"
    yield from _table(Settings)
    sections = ("SecretSettings", "SinkSettings", "SinkLimit", "ArtifactSettings", "NamespaceSettings")
    for title, cls in [*_named(parts, *sections), ("AlertRule", AlertRule)]:
        yield from _model(title, cls)


def hooks() -> Lines:
    """The hooks of plugins."""
    import inspect

    from rota import hookspecs

    yield from _title("Hooks", "Everything a plugin may implement, all of it optional.")
    for name, hook in vars(hookspecs).items():
        if callable(hook) and hasattr(hook, "rota_spec"):
            yield f"## `{name}{inspect.signature(hook)}`\n"
            text = inspect.cleandoc(hook.__doc__ or "")
            prose, _, code = text.partition("\n\n@hookimpl")
            yield f"{prose}\n"
            if code:
                yield f"```python\nfrom rota import hookimpl\n\n\n@hookimpl{code}\n```\n"


def findings() -> Lines:
    """What check can find."""
    from rota.flows.checker.codes import CODES

    yield from _title("Findings", "What `rota check` can find. Each has its place, a sentence, and mostly a hint.")
    yield "| code | severity | meaning |\n|---|---|---|"
    for name, code in sorted(CODES.items()):
        yield f"| `{name}` | {code.severity} | {code.summary} |"


PAGES: dict[str, Callable[[], Lines]] = {
    "language.md": language,
    "types.md": types,
    "commands.md": commands,
    "settings.md": settings,
    "hooks.md": hooks,
    "findings.md": findings,
}


def _title(title: str, about: str) -> Lines:
    yield f"# {title}\n"
    yield f"{NOTE}\n"
    yield f"{about}\n"


def _named(module: Any, *names: str) -> Iterable[tuple[str, type[BaseModel]]]:
    return [(name, getattr(module, name)) for name in names]


def _subclasses(cls: type[BaseModel]) -> list[type[BaseModel]]:
    return [found for child in cls.__subclasses__() for found in (_subclasses(child) or [child])]


def _literal(cls: type[BaseModel]) -> str:
    from typing import get_args

    return str((get_args(cls.model_fields["type"].annotation) or ("of a plugin",))[0])


def _summary(cls: type[BaseModel]) -> str:
    import inspect

    return inspect.cleandoc(cls.__doc__ or "")


def _model(title: str, cls: type[BaseModel], *, without: type[BaseModel] | None = None, level: int = 2) -> Lines:
    yield f"{'#' * level} {title}\n"
    yield f"{_summary(cls)}\n"
    yield from _table(cls, () if without is None else without.model_fields)


def _table(cls: type[BaseModel], without: Iterable[str] = ()) -> Lines:
    from rota.flows.describe import field_docs

    known = set(without) - {"tasks"} | {"type"} & set(without)
    docs = [doc for doc in field_docs(cls) if doc.name not in known and f"{doc.name}_" not in known]
    if not docs:
        return
    yield "| key | type | default | meaning |\n|---|---|---|---|"
    for doc in docs:
        yield f"| `{doc.name}` | {_cell(doc.type)} | {_default(doc)} | {_cell(doc.doc)} |"
    yield ""


def _type(info: Any) -> Lines:
    yield f"### `{info.name}`\n"
    yield f"{info.summary}\n"
    if info.description:
        yield f"{info.description}\n"
    yield "| field | type | default | meaning |\n|---|---|---|---|"
    for doc in info.fields:
        yield f"| `{doc.name}` | {_cell(doc.type)} | {_default(doc)} | {_cell(doc.doc)} |"
    yield ""
    if info.output:
        yield "| output | type | meaning |\n|---|---|---|"
        for doc in info.output:
            yield f"| `{doc.name}` | {_cell(doc.type)} | {_cell(doc.doc)} |"
        yield ""
    if info.example:
        yield f"```yaml {info.kind.partition(' ')[0]}\n{info.example.rstrip()}\n```\n"


def _default(doc: Any) -> str:
    if doc.required:
        return "required"
    return f"`{doc.default}`" if doc.default else ""


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _command(command: click.Command, context: click.Context) -> Lines:
    yield f"## `{context.command_path}`\n"
    formatter = click.HelpFormatter(width=100, max_width=100)
    command.format_usage(context, formatter)
    command.format_help_text(context, formatter)
    command.format_options(context, formatter)
    yield f"```text\n{formatter.getvalue().rstrip()}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                yield from _command(child, click.Context(child, info_name=name, parent=context))


def main() -> int:
    """Write the pages, or with --check compare them; return the exit code."""
    check = "--check" in sys.argv[1:]
    stale = []
    REFERENCE.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        path, text = REFERENCE / name, "\n".join(page()).rstrip() + "\n"
        if path.exists() and path.read_text() == text:
            continue
        stale.append(name)
        if not check:
            path.write_text(text)
    if check and stale:
        print(f"out of date: {', '.join(f'docs/reference/{name}' for name in stale)}; run `make docs`", file=sys.stderr)
        return 1
    print(f"docs/reference: {len(PAGES)} pages, {len(stale)} {'to be ' if check else ''}written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
