"""Finds what is wrong with a flow as a whole: ids used twice, `needs` that cannot be met, keys in the wrong place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Any

from rota.errors import Finding
from rota.flows.models import CONTROL_TYPES
from rota.flows.places import Path, Places
from rota.flows.similar import closest, did_you_mean, listed
from rota.flows.walk import Written, walk

SCOPE_KEYS = ("tasks", "errors", "finally", "restart", "recover")
"""Task keys that only scopes have."""


def check_structure(data: dict[str, Any], places: Places) -> Iterator[Finding]:
    """Yield what is wrong with the flow `data`, as written, that no single key shows."""
    steps = list(walk(data))
    yield from _duplicates("task", ((step.path, step.step) for step in steps), places)
    for kind, key in (("input", "inputs"), ("trigger", "triggers"), ("alert rule", "alerts")):
        yield from _duplicates(kind, _entries(data, (key,)), places)
    for step in steps:
        if step.type == "pause":
            yield from _duplicates("input", _entries(step.step, (*step.path, "inputs")), places)
        yield from _scope_keys(step, places)
    yield from _needs(steps, places)


def _entries(owner: dict[str, Any], path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    entries = owner.get(str(path[-1]))
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, dict):
            yield (*path, index), entry


def _duplicates(kind: str, entries: Iterable[tuple[Path, dict[str, Any]]], places: Places) -> Iterator[Finding]:
    seen: dict[str, Path] = {}
    for path, entry in entries:
        name = entry.get("id")
        if not isinstance(name, str):
            continue
        first = seen.setdefault(name, path)
        if first is not path:
            yield Finding(
                "duplicate-id",
                f"the {kind} `{name}` is already at {places.value((*first, 'id'))}",
                places.value((*path, "id")),
                f"rename one of them: {kind} ids are unique in the flow",
            )


def _scope_keys(step: Written, places: Places) -> Iterator[Finding]:
    if step.type is None or step.type in CONTROL_TYPES:
        return
    for key in SCOPE_KEYS:
        path = (*step.path, key)
        if key in step.step and places.source(path) == path:
            meant = closest(step.type, (name for name, model in CONTROL_TYPES.items() if model.scope))
            hint = f"did you mean `type: {meant}`?" if meant else "put the task into a `sequential` that has it"
            message = f"`{key}` is for scopes alone, and task `{step.id or '?'}` is of type `{step.type}`"
            yield Finding("misplaced-key", message, places.key(path), hint)


def _needs(steps: list[Written], places: Places) -> Iterator[Finding]:
    groups: dict[Path, list[Written]] = {}
    for step in steps:
        groups.setdefault(step.siblings, []).append(step)
    everywhere = {step.id for step in steps}
    for path, siblings in groups.items():
        if siblings[0].parent == "parallel" and path[-1] == "tasks":
            yield from _unknown_needs(siblings, everywhere, places)
            yield from _circles(siblings, places)
            continue
        for step in siblings:
            if "needs" in step.step:
                yield Finding(
                    "misplaced-key",
                    f"`needs` is for the tasks of a `parallel`, and task `{step.id or '?'}` is not in one",
                    places.key((*step.path, "needs")),
                    "these tasks run one after the other: put it after what it needs, or all into a `parallel`",
                )


def _needed(step: Written) -> list[tuple[int, str]]:
    needs = step.step.get("needs")
    return [(i, name) for i, name in enumerate(needs if isinstance(needs, list) else ()) if isinstance(name, str)]


def _unknown_needs(siblings: list[Written], everywhere: set[str | None], places: Places) -> Iterator[Finding]:
    known = {step.id for step in siblings if step.id}
    for step in siblings:
        for index, name in _needed(step):
            if name not in known:
                others = known - {step.id}
                hint = did_you_mean(name, others, what="beside it are")
                where = "is not in the same `parallel`" if name in everywhere else "does not exist"
                message = f"task `{step.id or '?'}` needs `{name}`, which {where}"
                yield Finding("unknown-need", message, places.value((*step.path, "needs", index)), hint)


def _circles(siblings: list[Written], places: Places) -> Iterator[Finding]:
    """Yield a finding for each circle: after one was found it is cut, and the search goes on."""
    named = {step.id: step for step in siblings if step.id}
    graph = {name: {need for _, need in _needed(step) if need in named} for name, step in named.items()}
    while True:
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            # graphlib gives it from what is needed to what needs it, its first and last the same.
            circle: list[str] = error.args[1][::-1]
            order = list(named)
            start = min(range(len(circle) - 1), key=lambda i: order.index(circle[i]))
            circle = [*circle[start:-1], *circle[:start]]
            yield _circle(circle, named, places)
            graph[circle[0]].discard(circle[1 % len(circle)])
        else:
            return


def _circle(circle: list[str], named: dict[str, Written], places: Places) -> Finding:
    first, second = circle[0], circle[1 % len(circle)]
    index = next(i for i, name in _needed(named[first]) if name == second)
    place = places.value((*named[first].path, "needs", index))
    if first == second:
        return Finding("circular-needs", f"task `{first}` needs itself", place, "remove it")
    chain = " needs ".join(f"`{name}`" for name in [*circle, first])
    hint = f"none of {listed(circle)} could ever start: remove one of these `needs`"
    return Finding("circular-needs", f"circular `needs`: {chain}", place, hint)
