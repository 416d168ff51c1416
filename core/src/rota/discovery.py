"""Which plugins are installed: the entry points of the group `rota`, and what to say about those that are not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rota.errors import PluginError

GROUP = "rota"
CORE = "core"
"""The entry point of the core's own types, which have no prefix."""
KNOWN = ("ansible", "apprise", "http", "mongo", "objectstore", "ssh", "vault")
"""The plugins whose dist is worth naming when their types are asked for."""

_NAME = re.compile(r"[a-z][a-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class Entry:
    """An installed plugin, not imported: its entry point and the dist that brings it.

    `refused` says why it will not be loaded, and is empty for a good one.
    """

    name: str
    module: str
    dist: str
    version: str
    refused: str = ""

    def __str__(self) -> str:
        return f"`{self.name}` ({self.dist} {self.version})"


def installed() -> dict[str, list[Entry]]:
    """Return the installed plugins by name, the core left out; a name in doubt has more than one entry, all refused.

    Raises PluginError when the metadata of the installed packages cannot be read.
    """
    found: dict[str, list[Entry]] = {}
    for entry in sorted(set(_scan()), key=lambda entry: (entry.name, entry.dist, entry.module)):
        if not (entry.name == CORE and entry.dist == "rota"):
            found.setdefault(entry.name, []).append(entry)
    return {name: _refuse(entries) for name, entries in found.items()}


def _scan() -> Iterator[Entry]:
    from importlib.metadata import entry_points

    try:
        points = entry_points(group=GROUP)
    except Exception as error:  # whatever a damaged package makes the standard library raise
        raise PluginError(
            f"the metadata of the installed packages cannot be read: {type(error).__name__}: {error}",
            hint="`pip check` finds the damaged package",
        ) from error
    for point in points:
        dist, version = "unknown", "?"
        if point.dist is not None:
            dist, version = point.dist.metadata["Name"] or dist, point.dist.metadata["Version"] or version
        yield Entry(name=point.name, module=point.value.strip(), dist=dist, version=version)


def _refuse(entries: list[Entry]) -> list[Entry]:
    name = entries[0].name
    reason = ""
    if len(entries) > 1:
        both = " and ".join(f"{entry.dist} {entry.version} ({entry.module})" for entry in entries)
        reason = f"two plugins are called `{name}`: {both}; uninstall one of them"
    elif name == CORE:
        reason = f"the name `{CORE}` belongs to Rota itself; {entries[0].dist} must choose another"
    elif not _NAME.fullmatch(name):
        reason = f"`{name}` is no name for a plugin: lower-case letters, digits, `_` and `-`, a letter first"
    return [Entry(e.name, e.module, e.dist, e.version, reason) for e in entries] if reason else entries
