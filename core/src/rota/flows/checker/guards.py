"""Conditions that keep a task from reading what did not run: its own `when`, and those of what holds it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from rota.errors import ExpressionError
from rota.flows.checker.spots import Spot
from rota.flows.checker.tree import Site, Tree
from rota.flows.checker.visibility import Seen
from rota.flows.models import If
from rota.flows.templates import compile_expression


class Guards:
    """Knows which tasks are asked for in which conditions."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def cover(self, spot: Spot, target: Site, seen: Seen) -> bool:
        """Say whether `spot` is reached only if a condition that speaks of `target`, or is its own, holds."""
        own = {_normal(condition) for condition in _own(target, seen)}
        conditions = {_normal(condition) for condition in _conditions(spot)} - {""}
        return bool(own & conditions) or any(target.id in _tasks_of(condition) for condition in conditions)


def _own(target: Site, seen: Seen) -> Iterator[Any]:
    """Yield the conditions under which `target` runs."""
    for site in {target, seen.by or target}:
        if site.step is not None:
            yield site.step.when
            if isinstance(site.step, If):
                yield site.step.condition


def _conditions(spot: Spot) -> Iterator[Any]:
    site = spot.site
    if site is None or site.step is None:
        return
    if spot.root != "when":
        yield site.step.when
    below = site
    for owner in site.owners():
        if owner.step is not None:
            yield owner.step.when
            if isinstance(owner.step, If) and below.block == "then":
                yield owner.step.condition
        below = owner


def _normal(condition: Any) -> str:
    text = str(condition).strip() if isinstance(condition, str) else ""
    return text.removeprefix("{{").removesuffix("}}").strip() if text.startswith("{{") else text


@lru_cache(maxsize=256)
def _tasks_of(condition: str) -> frozenset[str]:
    """Return the tasks whose state, or whether whose output is defined, the condition asks."""
    if not condition:
        return frozenset()
    try:
        paths = [path for found in compile_expression(condition).expressions for path in found.expression.uses.paths]
    except ExpressionError:
        return frozenset()
    return frozenset(
        str(path.keys[1])
        for path in paths
        if len(path.keys) > 1 and (path.keys[0] == "tasks" or (path.keys[0] == "outputs" and path.guarded))
    )
