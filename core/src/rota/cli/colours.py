"""Colours on the terminal, and none where they are not wanted."""

from __future__ import annotations

import os
import sys

import click

STATES = {
    "success": "green",
    "warning": "yellow",
    "failed": "red",
    "lost": "red",
    "cancelled": "magenta",
    "cancelling": "magenta",
    "running": "blue",
    "retrying": "yellow",
    "paused": "yellow",
    "skipped": "bright_black",
    "not_started": "bright_black",
    "queued": "bright_black",
    "created": "bright_black",
}


def are_wanted(*, err: bool = False) -> bool:
    """Whether stdout (or stderr) is a terminal that shows colours; NO_COLOR says that it must not."""
    stream = sys.stderr if err else sys.stdout
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and stream.isatty()


def paint(text: str, colour: str, *, err: bool = False) -> str:
    """Return `text` in a colour, where colours are wanted."""
    return click.style(text, fg=colour) if are_wanted(err=err) else text


def paint_state(state: str, *, err: bool = False) -> str:
    """Return the name of a state in its colour."""
    return paint(state, STATES.get(state, "white"), err=err)
