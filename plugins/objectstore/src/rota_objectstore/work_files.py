"""Files of a task's work folder: paths that stay inside it."""

from __future__ import annotations

from pathlib import Path

from rota import Context, TaskFailed


def in_workdir(ctx: Context, name: str) -> Path:
    """Return the path of `name` in the work folder. Raises TaskFailed for one that leads out of it."""
    path = (ctx.workdir / name).resolve()
    if not path.is_relative_to(ctx.workdir.resolve()):
        raise TaskFailed(f"`{name}` is not in the work folder", retryable=False, hint="write a relative path")
    return path
