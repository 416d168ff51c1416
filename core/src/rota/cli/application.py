"""Gives commands the `Application`, opened with the settings that the command line names when it is first needed."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

import click

if TYPE_CHECKING:
    from rota.server.application import Application

P = ParamSpec("P")
T = TypeVar("T")


def pass_application(function: Callable[Concatenate[Application, P], T]) -> Callable[P, T]:
    """Call the command with the application as its first argument; it is closed when the command has ended."""

    @functools.wraps(function)
    def opened(*arguments: P.args, **options: P.kwargs) -> T:
        return function(application_of(click.get_current_context()), *arguments, **options)

    return opened


def application_of(ctx: click.Context) -> Application:
    """Return the application of this call of `rota`. Raises SettingsError."""
    root = ctx.find_root()
    if root.obj is None:
        from rota.server.application import Application

        _log_to_stderr(verbose=bool(root.params.get("verbose")))
        root.obj = root.with_resource(Application.open(root.params.get("settings_file")))
    app: Application = root.obj
    return app


def author() -> str:
    """Return who asks: the user of the operating system."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def settings_given() -> Path | None:
    """Return the settings file that this call of `rota` was given by option."""
    ctx = click.get_current_context(silent=True)
    file: Path | None = ctx.find_root().params.get("settings_file") if ctx else None
    return file


def command_line(command: str) -> str:
    """Return a command as a person would type it, with the settings that this call was given: `rota flows list`."""
    file = settings_given()
    return f"rota --settings {file} {command}" if file else f"rota {command}"


def _log_to_stderr(*, verbose: bool) -> None:
    logger = logging.getLogger("rota")
    if not logger.handlers:
        logger.addHandler(_Stderr())
    logger.setLevel(logging.DEBUG if verbose else logging.WARNING)
    logger.propagate = False


class _Stderr(logging.Handler):
    """Writes `warning: message` on stderr, as all messages of the launcher are written."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(f"{record.levelname.lower()}: {self.format(record)}", err=True)
