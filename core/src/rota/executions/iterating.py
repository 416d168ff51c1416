"""The frozen list of a `foreach` or `fleet`: items, filtered, each with its key and its lock."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from rota.errors import ExpressionError
from rota.executions.values import NotJson, dump, is_utf8, plain
from rota.flows.templates import compile_expression, compile_value, is_secret, secret_values

LONGEST = 1_000_000
"""How many items a list may have."""

Names = dict[str, Any]


def freeze(kind: str, sources: Mapping[str, Any], names: Names) -> list[dict[str, Any]]:
    """Return a row per iteration, `{idx, key, item, lock_key}`, in order.

    `sources` are those of stage `items`. Raises ExpressionError for what is no list, and for a key that is
    there twice or cannot be told.
    """
    items, stored = _items(sources["items"], names)
    select = _condition(sources.get("select"))
    key, lock = _value(sources.get("key")), _value(sources.get("lock"))
    rows: list[dict[str, Any]] = []
    seen: dict[str, int] = {}
    for item, kept in zip(items, stored, strict=True):
        index = len(rows)
        one = _with_item(names, kind, item, index)
        if select is not None and not select(one):
            continue
        name = text_of(key(one) if key else default_key(kind, item, index), f"the key of item {index}")
        if name in seen:
            raise ExpressionError(f"the key `{name}` is there twice", hint="give a `key` that tells the items apart")
        seen[name] = index
        one["key"] = name
        rows.append(
            {
                "idx": index,
                "key": name,
                "item": kept,
                "lock_key": text_of(lock(one), f"the lock of `{name}`") if lock else None,
            }
        )
    return rows


def default_key(kind: str, item: Any, index: int) -> str:
    """Return what names an iteration without `key`: for a fleet its target's name, else the index."""
    if kind == "fleet":
        if isinstance(item, str) and item:
            return item
        if isinstance(item, Mapping):
            for name in ("name", "id"):
                if isinstance(item.get(name), (str, int)) and item[name] != "":
                    return str(item[name])
    return str(index)


def _items(source: Any, names: Names) -> tuple[list[Any], list[Any]]:
    """Return the items, and the same as they are stored: artifacts by reference."""
    found = compile_expression(source).render(names) if isinstance(source, str) else compile_value(source).render(names)
    if any(True for _ in secret_values(found)):
        raise ExpressionError("the list uses a secret, which may not steer a flow")
    try:
        found = plain(found)
        text = dump(found, str)
    except NotJson as error:
        raise ExpressionError(f"the list cannot be stored: {error}", expression=str(source)[:80]) from None
    if isinstance(found, Mapping):
        found = [{"key": key, "value": value} for key, value in found.items()]
        text = dump(found, str)
    if not isinstance(found, list):
        raise ExpressionError(
            f"a list is needed, it gives a value of type `{type(found).__name__}`", expression=str(source)[:80]
        )
    if len(found) > LONGEST:
        raise ExpressionError(f"the list has {len(found):,} items, more than {LONGEST:,}")
    return found, json.loads(text) if '"$' in text else found


def _with_item(names: Names, kind: str, item: Any, index: int) -> Names:
    one = {**names, "item": item, "index": index}
    if kind == "fleet":
        one["target"] = item
    return one


def _condition(source: Any) -> Callable[[Names], bool] | None:
    if source is None:
        return None
    if isinstance(source, bool):
        return lambda _: source
    return compile_expression(source).condition


def _value(source: Any) -> Callable[[Names], Any] | None:
    return None if source is None else compile_value(source).render


def text_of(value: Any, what: str) -> str:
    """Return a key as text. Raises ExpressionError, with `what` it is, for a secret and for what is no text."""
    if is_secret(value):
        raise ExpressionError(f"{what} uses a secret, which may not steer a flow")
    if isinstance(value, bool) or not isinstance(value, (str, int)) or value == "":
        raise ExpressionError(f"{what} must be text, it is {'empty' if value == '' else type(value).__name__}")
    text = str(value)
    if "\x00" in text or not (text.isascii() or is_utf8(text)):
        raise ExpressionError(f"{what} has characters that cannot be stored")
    return text
