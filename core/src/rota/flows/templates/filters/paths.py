"""Filters for POSIX paths, as text: nothing is looked up on disk."""

from __future__ import annotations

import posixpath
from typing import Any

from rota.flows.templates.budget import current
from rota.flows.templates.data import to_text


def path_join(parts: Any) -> str:
    """Return the parts of a path as one; an absolute part drops what is before it."""
    return posixpath.join(*[to_text(current(), part) for part in parts]) if isinstance(parts, list) else str(parts)


FILTERS = {
    "basename": lambda value: posixpath.basename(to_text(current(), value)),
    "dirname": lambda value: posixpath.dirname(to_text(current(), value)),
    "path_join": path_join,
    "splitext": lambda value: list(posixpath.splitext(to_text(current(), value))),
}
