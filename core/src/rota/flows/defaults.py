"""Merges `defaults` into the tasks of a flow."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from rota.errors import Finding
from rota.flows.models import CONTROL_TYPES
from rota.flows.places import Path, Places
from rota.flows.similar import did_you_mean
from rota.flows.walk import STEP_LISTS, walk

Defaults: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Type, or prefix and `.*`, to field values and task keys."""

OWN_KEYS = STEP_LISTS | {"id", "type", "needs", "cases"}
"""What each task has for itself."""
_SCOPE_KEYS = frozenset(("restart", "recover"))
_PATTERN = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*(\.\*)?")


def apply_defaults(data: dict[str, Any], places: Places, outer: Defaults) -> list[Finding]:
    """Give the tasks in `data` what they do not say themselves, and return what is wrong with the defaults.

    A task's own key wins, whole; then an exact type before a prefix, and a longer prefix before a
    shorter; what the flow says before `outer`, the namespace's. `places` learns where each value stands.
    """
    own = _usable(data.get("defaults"))
    used: set[str] = set()
    for written in walk(data):
        if written.type is None:
            continue
        names = _patterns(written.type)
        for name in names:
            if name in own:
                used.add(name)
                _merge(written.step, own[name], written.path, places, ("defaults", name))
        for name in names:
            if name in outer:
                _merge(written.step, outer[name], written.path, places, None)
    types = {written.type for written in walk(data) if written.type}
    return [*_wrong(own, places), *_unused(own.keys() - used, types, places)]


def _usable(defaults: Any) -> dict[str, dict[str, Any]]:
    if not isinstance(defaults, dict):
        return {}
    return {name: fields for name, fields in defaults.items() if isinstance(fields, dict)}


def _patterns(kind: str) -> list[str]:
    parts = kind.split(".")
    return [kind, *(".".join((*parts[:end], "*")) for end in range(len(parts) - 1, 0, -1))]


def _merge(step: dict[str, Any], fields: Mapping[str, Any], path: Path, places: Places, source: Path | None) -> None:
    for key, value in fields.items():
        if key not in step and key not in OWN_KEYS and (key not in _SCOPE_KEYS or step["type"] in CONTROL_TYPES):
            step[key] = value
            places.move((*path, key), path if source is None else (*source, key))


def _wrong(own: dict[str, dict[str, Any]], places: Places) -> Iterator[Finding]:
    for name, fields in own.items():
        if not _PATTERN.fullmatch(name):
            yield Finding(
                "invalid-value",
                f"`{name}` in `defaults` is not a task type",
                places.key(("defaults", name)),
                "write a type such as `ssh.command`, or `ssh.*` for all that a plugin has",
            )
        for key in fields:
            scope = name in CONTROL_TYPES and CONTROL_TYPES[name].scope
            if key in OWN_KEYS or (key in _SCOPE_KEYS and not scope):
                message = f"`{key}` cannot be a default of `{name}`"
                hint = "each task says that for itself" if key in OWN_KEYS else "only scopes have it"
                yield Finding("misplaced-key", message, places.key(("defaults", name, key)), hint)


def _unused(names: set[str], types: set[str], places: Places) -> Iterator[Finding]:
    for name in names:
        if _PATTERN.fullmatch(name):
            known = types | {pattern for kind in types for pattern in _patterns(kind)}
            message = f"no task of the flow is of the type `{name}` of these `defaults`"
            hint = did_you_mean(name, known - names, what="there are") or "remove them"
            yield Finding("unused-defaults", message, places.key(("defaults", name)), hint, "warning")
