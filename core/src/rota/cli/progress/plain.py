"""Shows an execution as lines: what came into which state, and what tasks log, as it comes."""

from __future__ import annotations

from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from rota.cli.colours import paint, paint_state
from rota.cli.formats import clean, clock_text, duration_text, problem_text
from rota.cli.output import say

if TYPE_CHECKING:
    from rota.server.watching import Update

Row = dict[str, Any]
_SILENT = ("created", "queued", "not_started")
_LOUD = {"warning": "yellow", "error": "red"}


class PlainProgress:
    """Prints each update as lines `time name: state` and `time name | log line`."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._state = ""

    def show(self, update: Update) -> None:
        """Print what is new, in order of time."""
        row = update.execution
        if row["state"] == "paused" and self._state != "paused":
            say(f"{row['flow']}: {paint_state('paused')}, a person is waited for")
        self._state = row["state"]
        lines = [_state_line(node, _name(node)) for node in update.nodes if node["state"] not in _SILENT]
        lines += [_state_line(one, f"{_name(one)}[{one['key']}]") for one in update.iterations]
        lines += [(line["at"], log_text(line)) for line in update.lines]
        for at, text in sorted(lines, key=lambda line: line[0]):
            say(f"{clock_text(at, self._zone)} {text}")

    def close(self) -> None:
        """Nothing is left open."""


def log_text(line: Row) -> str:
    """Return a log line with the task run it is from; further lines of its message are indented."""
    level, message = line["level"], clean(line["message"]).replace("\n", "\n    ")
    mark = f"{paint(f'{level}:', _LOUD[level])} " if level in _LOUD else ""
    return f"{clean(_name(line)) or line['execution_id'][:8]} | {mark}{message}"


def _state_line(row: Row, name: str) -> tuple[float, str]:
    started, ended = row["started_at"], row["ended_at"]
    text = f"{clean(name)}: {paint_state(row['state'])}"
    if row.get("attempt", 1) > 1:
        text += f", attempt {row['attempt']}"
    if started is not None and ended is not None:
        text += f" in {duration_text(ended - started)}"
    if row["problem"] and row["state"] not in ("success", "running"):
        text += f": {problem_text(row['problem'])}"
    return ended or started or 0.0, text


def _name(row: Row) -> str:
    return f"{row['path']}/{row['node']}" if row["path"] else str(row["node"])
