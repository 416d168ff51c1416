"""The command `rota`: finds commands by name, and ends with the exit code of what happened."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rota import __version__
from rota.cli.failures import exit_code_of

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

COMMANDS = (
    "init",
    "run",
    "check",
    "plan",
    "schema",
    "flows",
    "executions",
    "triggers",
    "locks",
    "alerts",
    "plugins",
    "kv",
    "keys",
    "migrate",
    "purge",
    "serve",
    "doctor",
    "completion",
)
"""Our own commands, each `command` in the module of its name, in the order of the help."""
GROUP = "rota.commands"
"""The entry points of the commands of plugins."""
_COMPLETE = "_ROTA_COMPLETE"


class Launcher(click.Group):
    """Our own commands from their modules, those of plugins from their entry points: imported when called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *sorted(_plugin_commands())]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in COMMANDS:
            command: click.Command = import_module(f"rota.cli.{name}").command
            return command
        points = _plugin_commands().get(name)
        return _load(name, points) if points else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        if name not in COMMANDS and not ctx.resilient_parsing:
            from rota.cli.application import application_of

            application_of(ctx)  # what `click.pass_obj` gives the commands of plugins
        return name, command, rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own = [(name, self.get_command(ctx, name)) for name in COMMANDS]
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(80)) for name, command in own if command])
        plugins = _plugin_commands()
        if plugins:
            with formatter.section("Commands of plugins"):
                formatter.write_dl([(name, f"From {_dists(plugins[name])}.") for name in sorted(plugins)])


@click.command(
    cls=Launcher,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 success, 1 the execution failed, 2 wrong use or a flow that does not check, "
    "3 a warning with --strict, 70 a fault in Rota itself, 130 interrupted.",
)
@click.option(
    "--settings",
    "settings_file",
    type=click.Path(path_type=Path),
    help="The settings file. Default: `ROTA_SETTINGS`, ./rota.yaml, or the user's own.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show more: Rota's own log, and the traceback of an error.")
@click.version_option(__version__, "--version", prog_name="rota", message="%(prog)s %(version)s")
def rota(settings_file: Path | None, verbose: bool) -> None:
    """Rota runs operations across fleets: flows in YAML, tasks from plugins, every step durable."""


def launch(arguments: Sequence[str]) -> int:
    """Run `rota` with `arguments` and return its exit code; whatever goes wrong is told on stderr."""
    if instruction := os.environ.get(_COMPLETE):
        from click.shell_completion import shell_complete

        return shell_complete(rota, {}, "rota", _COMPLETE, instruction)
    return exit_code_of(lambda: _invoke(list(arguments)), verbose=_is_verbose(arguments))


def _invoke(arguments: list[str]) -> None:
    with rota.make_context("rota", arguments) as ctx:
        rota.invoke(ctx)


def _is_verbose(arguments: Sequence[str]) -> bool:
    before_command = []
    for argument in arguments:
        if argument in COMMANDS:
            break
        before_command.append(argument)
    return bool(os.environ.get("ROTA_DEBUG")) or not {"-v", "--verbose"}.isdisjoint(before_command)


def _plugin_commands() -> dict[str, list[EntryPoint]]:
    """Return the entry points of the group by name; our own commands cannot be replaced."""
    from importlib.metadata import entry_points

    found: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        if point.name not in COMMANDS:
            found.setdefault(point.name, []).append(point)
    return found


def _load(name: str, points: list[EntryPoint]) -> click.Command:
    from rota.errors import PluginError

    if len({point.value for point in points}) > 1:
        raise PluginError(f"the command `{name}` is there twice: from {_dists(points)}", hint="uninstall one of them")
    try:
        command = points[0].load()
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise PluginError(f"the command `{name}` of {_dists(points)} cannot be imported: {reason}") from error
    if not isinstance(command, click.Command):
        raise PluginError(f"`{points[0].value}` of {_dists(points)} is no click command")
    return command


def _dists(points: list[EntryPoint]) -> str:
    return " and ".join(sorted({point.dist.name if point.dist else "an unknown package" for point in points}))
