"""Prints what commands found: tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import click

from rota.cli import colours
from rota.cli.formats import clean


def say(text: str = "") -> None:
    """Print a line on stdout."""
    click.echo(text)


def note(text: str) -> None:
    """Print a line on stderr: what a person should know, and a program that reads stdout need not."""
    click.echo(text, err=True)


def print_json(value: Any) -> None:
    """Print a JSON document on stdout."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_json_line(value: Any) -> None:
    """Print a JSON document in one line, for what has no end."""
    click.echo(json.dumps(value, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]], *, empty: str) -> None:
    """Print rows below the names of their columns; where there are none, say `empty` on stderr.

    A column called `state` is coloured. A terminal gets a table that fits it, anything else plain aligned columns.
    """
    texts = [[clean(str(cell)) if cell is not None else "" for cell in row] for row in rows]
    if not texts:
        note(empty)
    elif sys.stdout.isatty():
        _print_rich(columns, texts)
    else:
        _print_plain(columns, texts)


def _print_plain(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    lines = [[name.upper() for name in columns], *([cell.replace("\n", " ") for cell in row] for row in rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    for line in lines:
        say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _print_rich(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in columns:
        table.add_column(name, overflow="fold", no_wrap=name in ("id", "state", "started", "duration"))
    for row in rows:
        cells = zip(columns, row, strict=True)
        table.add_row(*(Text(cell, style=_style(name, cell)) for name, cell in cells))
    Console(highlight=False).print(table)


def _style(column: str, cell: str) -> str:
    return colours.STATES.get(cell, "") if column == "state" else ""
