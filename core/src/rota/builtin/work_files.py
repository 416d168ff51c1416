"""Files of a task's work folder: globs that find what it left there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rota import Context

OWN = ".rota"
"""The folder for what Rota itself puts there; globs do not see it."""
_WILDCARDS = "*?["


def is_glob(pattern: str) -> bool:
    """Return whether `pattern` may match more than one file."""
    return any(char in pattern for char in _WILDCARDS)


def matches(ctx: Context, pattern: str) -> list[Path]:
    """Return the files in the work folder that match, sorted, without links that lead out of it.

    Raises TaskFailed for a pattern that leads out of the folder.
    """
    if not is_glob(pattern):
        path = ctx.in_workdir(pattern)
        return [path] if path.is_file() else []
    ctx.in_workdir("/".join(part for part in pattern.split("/") if not is_glob(part)))
    return sorted(_found(ctx.workdir, pattern))


def _found(folder: Path, pattern: str) -> Iterator[Path]:
    top = folder.resolve()
    for path in folder.glob(pattern):
        inner = path.relative_to(folder).parts
        if inner[0] != OWN and path.is_file() and path.resolve().is_relative_to(top):
            yield path
