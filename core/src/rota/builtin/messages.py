"""Task type `log`: a line in the log."""

from __future__ import annotations

from typing import Any, Literal

from rota import Context, Task
from rota.builtin.json_text import json_text


class Log(Task):
    """Write a message to the log.

    Example:
        - id: say
          type: log
          message: "backing up {{ inputs.env }}"
          level: warning
    """

    idempotent = True

    message: Any
    """The message; a list or a mapping is written as JSON."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """How much it matters."""

    def run(self, ctx: Context) -> None:
        text = self.message if isinstance(self.message, str) else json_text(self.message)
        write = getattr(ctx.log, self.level)
        for line in text.splitlines() or [""]:
            write(line)
