"""Reads what a program wrote to the file named by `ROTA_OUTPUT`."""

from __future__ import annotations

import json
import re
from collections.abc import Container
from pathlib import Path
from typing import Any

from rota import TaskFailed

MAX_BYTES = 16 << 20
"""The largest output file."""
_LINE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)")


def read_output(path: Path, taken: Container[str]) -> dict[str, Any]:
    """Return the values in the file: a JSON object, or lines `key=value` whose values are text.

    Any other JSON value comes under the name `value`. Names in `taken` are refused. Raises TaskFailed, never
    to be retried, when the file is neither, or too large.
    """
    if path.is_symlink() or not path.is_file():
        raise TaskFailed("the file of `ROTA_OUTPUT` is no file any more", retryable=False)
    if path.stat().st_size > MAX_BYTES:
        raise TaskFailed(
            f"more than {MAX_BYTES >> 20} MiB were written to `ROTA_OUTPUT`",
            retryable=False,
            hint="write a file in the work folder and name it in `artifacts`",
        )
    try:
        text = path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise TaskFailed("what was written to `ROTA_OUTPUT` is not UTF-8", retryable=False) from None
    values = _lines(text) if _LINE.match(text) else _json(text) if text else {}
    if wrong := sorted(name for name in values if name in taken):
        raise TaskFailed(
            f"`{wrong[0]}` in `ROTA_OUTPUT` is a name of the task's own output", retryable=False, hint="choose another"
        )
    return values


def _json(text: str) -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is not JSON")

    try:
        value = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise TaskFailed(
            f"what was written to `ROTA_OUTPUT` is neither JSON nor lines of `key=value`: {error}", retryable=False
        ) from None
    return value if isinstance(value, dict) else {"value": value}


def _lines(text: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            raise TaskFailed(
                f"line {number} of what was written to `ROTA_OUTPUT` is not `key=value`",
                retryable=False,
                hint="write JSON for values of several lines",
            )
        values[match[1]] = match[2]
    return values
