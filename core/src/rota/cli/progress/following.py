"""Follows an execution to its end: shows it, cancels it when asked to stop, and gives the exit code."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo

from rota.cli.application import author, command_line
from rota.cli.failures import INTERRUPTED, forget_stdout
from rota.cli.formats import short_id
from rota.cli.output import note, print_json, say
from rota.cli.progress.summary import print_summary

if TYPE_CHECKING:
    from rota.cli.progress.interrupts import Interrupts
    from rota.server.application import Application
    from rota.server.watching import Update, Watch

FAILED, WARNED = 1, 3


@dataclass(frozen=True, slots=True)
class Shown:
    """How an execution is shown: as the options of the command say."""

    plain: bool = False
    quiet: bool = False
    strict: bool = False
    as_json: bool = False


class Display(Protocol):
    """What shows updates."""

    def show(self, update: Update) -> None: ...

    def close(self) -> None: ...


class _Silence:
    def show(self, update: Update) -> None: ...

    def close(self) -> None: ...


def follow(app: Application, watch: Watch, id: str, shown: Shown, interrupts: Interrupts) -> int:
    """Show an execution until it has ended, sum it up, and return the exit code for it.

    Asked to stop (Ctrl-C, SIGTERM), it cancels the execution and goes on until that is done. `interrupts` was entered
    before the execution began: one that nobody follows yet would be lost, not cancelled.
    """
    display = _display(app, id, shown)
    waits = cancelled = False
    try:
        for update in watch:
            display = _show(display, update)
            waits = _tell_of_waiting(update, shown, waits)
            if interrupts.asked and not cancelled and not update.ended:
                cancelled = True
                _cancel(app, id)
    finally:
        display.close()
    row = app.executions.get(id)
    _sum_up(app, row, shown)
    return INTERRUPTED if interrupts.asked else exit_code(row["state"], strict=shown.strict)


def leave_or_follow(
    app: Application, watch: Watch, id: str, shown: Shown, interrupts: Interrupts, *, detach: bool
) -> int:
    """Follow an execution that goes on, unless `detach` asks to leave it and a server has it; return the exit code."""
    if detach and app.running is None:
        say(id)
        return INTERRUPTED if interrupts.asked else 0
    if detach:
        note(f"no server is alive that could take {short_id(id)}: it runs here")
    return follow(app, watch, id, shown, interrupts)


def exit_code(state: str, *, strict: bool = False) -> int:
    """Return the exit code for the state that an execution ended in."""
    if state == "warning":
        return WARNED if strict else 0
    return 0 if state in ("success", "skipped") else FAILED


def is_live(shown: Shown) -> bool:
    """Whether there is a terminal for a tree that moves."""
    moves = sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and not os.environ.get("CI")
    return moves and not (shown.plain or shown.quiet or shown.as_json)


def _display(app: Application, id: str, shown: Shown) -> Display:
    if shown.quiet or shown.as_json:
        return _Silence()
    if is_live(shown):
        from rota.cli.progress.live import LiveProgress
        from rota.cli.progress.outline import outline_of

        revision = app.executions.revision(id)
        return LiveProgress(app, id, outline_of(revision["source"]) if revision else [])
    from rota.cli.progress.plain import PlainProgress

    return PlainProgress(ZoneInfo(app.settings.timezone))


def _show(display: Display, update: Update) -> Display:
    try:
        display.show(update)
    except BrokenPipeError:
        # Who looked on has gone; that must not end what runs.
        forget_stdout()
        return _Silence()
    return display


def _tell_of_waiting(update: Update, shown: Shown, told: bool) -> bool:
    waits = bool(update.execution["state"] == "paused")
    if waits and not told and not shown.quiet:
        command = f"executions resume {short_id(update.execution['id'])}"
        note(f"waiting for a person: {command_line(command)}")
    return waits


def _cancel(app: Application, id: str) -> None:
    from rota.errors import Conflict

    note("cancelling; once more leaves at once")
    try:
        app.executions.cancel(id, author=author())
    except Conflict:
        return  # it has ended in the meantime


def _sum_up(app: Application, row: dict[str, Any], shown: Shown) -> None:
    try:
        if shown.as_json:
            from rota.server import records

            print_json(records.execution(row))
        elif not shown.quiet or exit_code(row["state"], strict=shown.strict):
            print_summary(app, row)
    except BrokenPipeError:
        forget_stdout()
