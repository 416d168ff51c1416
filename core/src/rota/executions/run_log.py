"""The log of one task run: lines are masked, bounded, and handed to the driver."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rota.executions.processes.streams import LONGEST_LINE
from rota.executions.view import ExecutionView


class RunLog:
    """Masks lines and hands them to the driver. A longer line than `LONGEST_LINE` is cut short."""

    __slots__ = ("_attempt", "_execution", "_in_pieces", "_node", "_path")

    def __init__(self, execution: ExecutionView, path: str, node: str, attempt: int) -> None:
        self._execution, self._path, self._node, self._attempt = execution, path, node, attempt
        self._in_pieces: set[str] = set()

    def debug(self, message: str, **fields: Any) -> None:
        self.write("debug", message, fields)

    def info(self, message: str, **fields: Any) -> None:
        self.write("info", message, fields)

    def warning(self, message: str, **fields: Any) -> None:
        self.write("warning", message, fields)

    def error(self, message: str, **fields: Any) -> None:
        self.write("error", message, fields)

    def write(self, level: str, message: str, fields: Mapping[str, Any]) -> None:
        """Log one line at `level`; `fields` are JSON values or become text."""
        execution = self._execution
        if type(message) is not str:
            message = str(message)
        if execution.masker:
            message = execution.masker(message)
        if len(message) > LONGEST_LINE:
            message = f"{message[:LONGEST_LINE]} … ({len(message) - LONGEST_LINE:,} more characters)"
        if fields:
            fields = {key: self._field(value) for key, value in fields.items()}
        execution.host.log(execution.id, self._path, self._node, self._attempt, level, message, fields)

    def output(self, stream: str, lines: list[str]) -> None:
        """Log lines of a program's `stdout` (info) or `stderr` (warning); a long line comes in pieces."""
        execution = self._execution
        mask = execution.masker
        if mask:
            lines = [self._piece(stream, line) for line in lines]
        level = "info" if stream == "stdout" else "warning"
        execution.host.log_lines(execution.id, self._path, self._node, self._attempt, level, lines)

    def _piece(self, stream: str, line: str) -> str:
        follows = stream in self._in_pieces
        goes_on = len(line) == LONGEST_LINE
        if goes_on:
            self._in_pieces.add(stream)
        else:
            self._in_pieces.discard(stream)
        masker = self._execution.masker
        return masker.piece(line, follows=follows, goes_on=goes_on) if follows or goes_on else masker(line)

    def _field(self, value: Any) -> Any:
        mask = self._execution.masker
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, (int, float)):
            return _number(value) if not mask or mask(str(value)) == str(value) else mask(str(value))
        if isinstance(value, str):
            return mask(value)
        try:
            return json.loads(mask(json.dumps(value, allow_nan=False)))
        except (TypeError, ValueError, RecursionError):
            return mask(str(value))


def _number(value: float) -> float | str:
    return value if value - value == 0 else str(value)
