"""Files of a task's work folder: paths that stay inside it, globs that find what it left there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from rota import TaskFailed

OWN = ".rota"
"""The folder for what Rota itself puts there; globs do not see it."""
_WILDCARDS = "*?["


def inside(folder: Path, name: str) -> Path:
    """Return the path of `name` in `folder`. Raises TaskFailed for one that leads out of it."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise TaskFailed(f"`{name}` leads out of the work folder", retryable=False, hint="write a relative path")
    if not (folder / path).resolve().is_relative_to(folder.resolve()):
        raise TaskFailed(f"`{name}` is a link that leads out of the work folder", retryable=False)
    return folder / path


def is_glob(pattern: str) -> bool:
    """Return whether `pattern` may match more than one file."""
    return any(char in pattern for char in _WILDCARDS)


def matches(folder: Path, pattern: str) -> list[Path]:
    """Return the files in `folder` that match, sorted, without links that lead out of it.

    Raises TaskFailed for a pattern that leads out of the folder.
    """
    if not is_glob(pattern):
        path = inside(folder, pattern)
        return [path] if path.is_file() else []
    inside(folder, "/".join(part for part in pattern.split("/") if not is_glob(part)) or ".x")
    return sorted(_found(folder, pattern))


def _found(folder: Path, pattern: str) -> Iterator[Path]:
    top = folder.resolve()
    for path in folder.glob(pattern):
        inner = path.relative_to(folder).parts
        if inner[0] != OWN and path.is_file() and path.resolve().is_relative_to(top):
            yield path
