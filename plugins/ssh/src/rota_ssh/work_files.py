"""Paths of the task's work folder, which never lead out of it."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from rota import TaskFailed


def inside(folder: Path, name: str) -> Path:
    """Return the path of `name` in `folder`. Raises TaskFailed for one that leads out of it."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise TaskFailed(f"`{name}` leads out of the work folder", retryable=False, hint="write a relative path")
    if not (folder / path).resolve().is_relative_to(folder.resolve()):
        raise TaskFailed(f"`{name}` is a link that leads out of the work folder", retryable=False)
    return folder / path
