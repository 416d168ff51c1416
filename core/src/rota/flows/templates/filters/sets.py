"""Filters that treat lists as sets: each value once, in the order of its first appearance, whatever its type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from rota.flows.templates.budget import current
from rota.flows.templates.filters.lists import attributes


def identity(value: Any) -> Any:
    """Return something hashable that is equal for equal plain data."""
    if isinstance(value, list):
        return ("list", tuple(map(identity, value)))
    if isinstance(value, dict):
        return ("dict", frozenset((key, identity(item)) for key, item in value.items()))
    return (type(value) is bool, value)


def _keyed(values: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    evaluation = current()
    for value in values:
        evaluation.step()
        yield identity(value), value


def _keys(values: Iterable[Any]) -> set[Any]:
    return {key for key, _ in _keyed(values)}


def unique(values: Any, case_sensitive: bool = True, attribute: str | int | None = None) -> list[Any]:
    """Return each of `values` once, or the first with each value of an attribute."""
    marks = attributes(values, attribute) if attribute is not None else values
    if not case_sensitive:
        marks = [mark.lower() if isinstance(mark, str) else mark for mark in marks]
    found: dict[Any, Any] = {}
    for (key, _), value in zip(_keyed(marks), values, strict=False):
        found.setdefault(key, value)
    return list(found.values())


def union(values: Any, others: Any) -> list[Any]:
    """Return what is in either list."""
    return unique([*values, *others])


def intersect(values: Any, others: Any) -> list[Any]:
    """Return what is in both lists."""
    keys = _keys(others)
    return unique([value for key, value in _keyed(values) if key in keys])


def difference(values: Any, others: Any) -> list[Any]:
    """Return what is in the first list only."""
    keys = _keys(others)
    return unique([value for key, value in _keyed(values) if key not in keys])


def symmetric_difference(values: Any, others: Any) -> list[Any]:
    """Return what is in one of the lists only."""
    return [*difference(values, others), *difference(others, values)]


FILTERS = {
    "difference": difference,
    "intersect": intersect,
    "symmetric_difference": symmetric_difference,
    "union": union,
    "unique": unique,
}
