"""What the plugin brings to Rota. This module only registers."""

from __future__ import annotations

from collections.abc import Iterable

from rota import Task, Trigger, hookimpl
from rota_http.changed import Changed
from rota_http.download import Download
from rota_http.request import Request


@hookimpl
def register_task_types() -> Iterable[type[Task]]:
    """Return the task types; `Request` is `http.request` in flows."""
    return [Request, Download]


@hookimpl
def register_triggers() -> Iterable[type[Trigger]]:
    """Return the trigger `http.changed`."""
    return [Changed]
