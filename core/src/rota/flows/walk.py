"""Goes over the tasks of a flow as written: plain data that may still be wrong in any way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rota.flows.places import Path

BRANCHES: dict[str, tuple[str, ...]] = {"if": ("then", "else"), "switch": ("default",)}
"""Keys that hold tasks, besides the ones of every scope, by control type."""
COMMON_LISTS = ("tasks", "errors", "finally")
STEP_LISTS = frozenset((*COMMON_LISTS, "then", "else", "default"))


@dataclass(frozen=True, slots=True)
class Written:
    """A task as written. `siblings` is the path of the list it is in, `parent` the type of what that belongs to."""

    path: Path
    step: dict[str, Any]
    siblings: Path
    parent: str | None

    @property
    def id(self) -> str | None:
        name = self.step.get("id")
        return name if isinstance(name, str) else None

    @property
    def type(self) -> str | None:
        name = self.step.get("type")
        return name if isinstance(name, str) else None


def walk(owner: Any, path: Path = (), kind: str | None = None) -> Iterator[Written]:
    """Yield every task in `owner` (a flow, or a scope of type `kind`), in the order of the text where keys are."""
    if not isinstance(owner, dict):
        return
    names = (*COMMON_LISTS, *BRANCHES.get(kind or "", ()))
    for key, value in owner.items():
        if key in names:
            yield from _walk_list(value, (*path, key), kind)
        elif key == "cases" and kind == "switch" and isinstance(value, dict):
            for case, steps in value.items():
                yield from _walk_list(steps, (*path, key, case), kind)


def _walk_list(steps: Any, path: Path, parent: str | None) -> Iterator[Written]:
    if not isinstance(steps, list):
        return
    for index, step in enumerate(steps):
        if isinstance(step, dict):
            written = Written((*path, index), step, path, parent)
            yield written
            yield from walk(step, written.path, written.type or "")


def subject(path: Path, data: Any) -> str:
    """Return how to call what is at `path` in a message: `` `rollout.batch` of task `backup` ``."""
    owner, rest = "", path
    for index, part in enumerate(path):
        data = data[part] if has_child(data, part) else None
        if isinstance(part, int) and index:
            kind = _kind(path, index)
            if kind is not None:
                name = data.get("id") if isinstance(data, dict) else None
                owner = f"{kind} `{name}`" if isinstance(name, str) else f"{kind} {part + 1} of `{path[index - 1]}`"
                rest = path[index + 1 :]
    key = dotted(rest)
    if not key:
        return owner or "the flow"
    return f"`{key}` of {owner}" if owner else f"`{key}`"


def dotted(path: Path) -> str:
    """Return `path` as text: `rollout.approve.by[0]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def located(data: Any, loc: Iterable[str | int]) -> tuple[Path, Any]:
    """Return where in `data` an error of pydantic is, and what is there; `loc` also names the types that were tried."""
    path: list[str | int] = []
    for part in loc:
        if has_child(data, part):
            data = data[part]
            path.append(part)
    return tuple(path), data


def deepest(paths: Iterable[Path]) -> list[Path]:
    """Return the paths on which no other goes on: a fault deep in a value says all about the value."""
    found = list(paths)
    return [path for path in found if not any(other[: len(path)] == path != other for other in found)]


def has_child(data: Any, part: str | int) -> bool:
    """Say whether there is a `data[part]`."""
    if isinstance(data, dict):
        return part in data
    return isinstance(data, list) and isinstance(part, int) and 0 <= part < len(data)


def _kind(path: Path, index: int) -> str | None:
    key = path[index - 1]
    if key == "inputs":
        return "input"
    if key == "triggers" and index == 1:
        return "trigger"
    is_case = index >= 2 and path[index - 2] == "cases"
    return "task" if key in STEP_LISTS or is_case else None
