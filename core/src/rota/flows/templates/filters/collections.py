"""Filters for mappings."""

from __future__ import annotations

from typing import Any

from rota.errors import ExpressionError
from rota.flows.templates.arithmetic import kind
from rota.flows.templates.budget import current

_LIST_MERGES = ("replace", "keep", "append", "prepend", "append_rp", "prepend_rp")


def combine(first: Any, *others: Any, recursive: bool = False, list_merge: str = "replace") -> dict[Any, Any]:
    """Return one mapping of several, the later ones winning; `recursive` combines the mappings inside too."""
    if list_merge not in _LIST_MERGES:
        raise ExpressionError(f"`combine` takes as list_merge one of {', '.join(_LIST_MERGES)}")
    result: dict[Any, Any] = {}
    for mapping in (first, *others):
        for one in mapping if isinstance(mapping, list) else [mapping]:
            result = _merged(_mapping(one), result, recursive, list_merge)
    return result


def _merged(new: dict[Any, Any], old: dict[Any, Any], recursive: bool, list_merge: str) -> dict[Any, Any]:
    result = dict(old)
    current().step(1 + len(old) // 4 + len(new))
    for key, value in new.items():
        before = result.get(key)
        if recursive and isinstance(value, dict) and isinstance(before, dict):
            result[key] = _merged(value, before, recursive, list_merge)
        elif isinstance(value, list) and isinstance(before, list):
            result[key] = _merged_lists(value, before, list_merge)
        else:
            result[key] = value
    return result


def _merged_lists(new: list[Any], old: list[Any], list_merge: str) -> list[Any]:
    current().may_make(items=len(new) + len(old))
    if list_merge == "replace":
        return new
    if list_merge == "keep":
        return old
    if list_merge.endswith("_rp"):
        from rota.flows.templates.filters.sets import difference

        old = difference(old, new)
    return [*old, *new] if list_merge.startswith("append") else [*new, *old]


def _mapping(value: Any) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise ExpressionError(f"{kind(value)} is no mapping")
    return value


def dict2items(value: Any, key_name: str = "key", value_name: str = "value") -> list[dict[str, Any]]:
    """Return a mapping as a list of `{key: …, value: …}`."""
    return [{key_name: key, value_name: item} for key, item in _mapping(value).items()]


def items2dict(value: Any, key_name: str = "key", value_name: str = "value") -> dict[Any, Any]:
    """Return a list of `{key: …, value: …}` as a mapping."""
    try:
        return {item[key_name]: item[value_name] for item in value}
    except (KeyError, TypeError):
        raise ExpressionError(f"each item must be a mapping with `{key_name}` and `{value_name}`") from None


def items(value: Any) -> list[list[Any]]:
    """Return a mapping as a list of pairs."""
    return [[key, item] for key, item in _mapping(value).items()]


FILTERS = {"combine": combine, "dict2items": dict2items, "items": items, "items2dict": items2dict}
