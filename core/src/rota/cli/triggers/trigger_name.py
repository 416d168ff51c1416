"""The arguments that name a trigger, and how commands print its times."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click

from rota.cli import suggestions

_TIMES = ("next_at", "last_at", "updated_at")


def argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the arguments NAMESPACE/ID and TRIGGER."""
    trigger = click.argument("trigger", metavar="TRIGGER")
    flow = click.argument("flow", metavar="NAMESPACE/ID", shell_complete=suggestions.flows)
    return flow(trigger(function))


def iso(at: float | None) -> str | None:
    """Return a time as ISO 8601 in UTC, for JSON."""
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat()


def record(row: dict[str, Any]) -> dict[str, Any]:
    """Return a trigger as JSON shows it: `execution` is what it started last, the times are ISO 8601."""
    shown = {name: iso(value) if name in _TIMES else value for name, value in row.items()}
    return {("execution" if name == "execution_id" else name): value for name, value in shown.items()}
