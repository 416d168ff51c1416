"""Calls in expressions: methods of plain data, and the functions that whoever renders gives."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from rota.errors import ExpressionError, RotaError
from rota.flows.templates.access import Function, Method, member, opened
from rota.flows.templates.budget import MAX_ITEMS, MAX_RANGE, Evaluation, over
from rota.flows.templates.data import plain, to_text
from rota.flows.templates.formatting import brace_format, format_time
from rota.flows.templates.undefined import Missing

_LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"


def call(evaluation: Evaluation, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return what `target(*args, **kwargs)` gives. Raises ExpressionError for what may not be called."""
    evaluation.step()
    if isinstance(target, Missing):
        target.fail()
    args = tuple(plain(evaluation, arg) for arg in args)
    kwargs = {key: plain(evaluation, arg) for key, arg in kwargs.items()}
    if isinstance(target, Method):
        return settled(evaluation, _call_method(evaluation, target, args, kwargs))
    if not isinstance(target, Function):
        raise ExpressionError(f"a `{type(target).__name__}` is no function, it cannot be called")
    return _call_function(evaluation, target, args, kwargs)


def _call_function(evaluation: Evaluation, function: Function, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    evaluation.start_clock()
    before = time.thread_time()
    try:
        value = function.call(*args, **kwargs)
    except RotaError:
        raise
    except Exception as error:  # noqa: BLE001  # whatever a function raises is the expression's failure
        reason = "" if function.name == "secret" else f": {error}"
        raise ExpressionError(f"`{function.name}(…)` failed with {type(error).__name__}{reason}") from None
    finally:
        if function.loads:
            evaluation.pause(time.thread_time() - before)
    if function.name == "secret":
        evaluation.tainted = True
    return opened(evaluation, value)


def settled(evaluation: Evaluation, result: Any) -> Any:
    """Return the result of a method or filter, counted; what is still to be iterated becomes a list."""
    if isinstance(result, str):
        evaluation.made(len(result))
        return result
    if isinstance(result, list):
        evaluation.may_make(items=len(result))
        return result
    if result is not None and not isinstance(result, Mapping) and hasattr(result, "__next__"):
        return _drained(evaluation, result)
    return opened(evaluation, result)


def _drained(evaluation: Evaluation, iterator: Any) -> list[Any]:
    items: list[Any] = []
    for item in iterator:
        evaluation.step()
        items.append(item)
        if len(items) > MAX_ITEMS:
            raise over(f"makes more than {MAX_ITEMS:,} values")
    return items


def _call_method(evaluation: Evaluation, method: Method, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    owner, name = method.owner, method.name
    if isinstance(owner, Mapping):
        return _MAPPING_METHODS[name](evaluation, owner, *args, **kwargs)
    if isinstance(owner, str) and name in _TEXT_METHODS:
        return _TEXT_METHODS[name](evaluation, owner, *args, **kwargs)
    if name == "strftime":
        return format_time(owner, *args)
    return getattr(owner, name)(*args, **kwargs)


def _get(evaluation: Evaluation, owner: Mapping[str, Any], key: Any, default: Any = None) -> Any:
    return member(evaluation, owner, key, "") if key in owner else default


def _items(evaluation: Evaluation, owner: Mapping[str, Any]) -> list[list[Any]]:
    return [[key, value] for key, value in plain(evaluation, owner).items()]


_MAPPING_METHODS: dict[str, Callable[..., Any]] = {
    "get": _get,
    "items": _items,
    "keys": lambda _evaluation, owner: list(owner),
    "values": lambda evaluation, owner: list(plain(evaluation, owner).values()),
}


def join(evaluation: Evaluation, separator: str, items: Any) -> str:
    """Return the texts of `items` with `separator` between. Raises ExpressionError when it would be too long."""
    texts = [to_text(evaluation, item) for item in items]
    evaluation.may_make(text=sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


def replace(evaluation: Evaluation, text: str, old: str, new: str, count: int | None = -1) -> str:
    """Return `text.replace(old, new, count)`. Raises ExpressionError when it would be too long."""
    count = -1 if count is None else count
    found = text.count(old)
    found = min(found, count) if count >= 0 else found
    evaluation.may_make(text=len(text) + found * max(0, len(new) - len(old)))
    return text.replace(old, new, count)


def split(_evaluation: Evaluation, text: str, sep: str | None = None, maxsplit: int = -1) -> list[str]:
    """Return `text.split(sep, maxsplit)`. Raises ExpressionError when there would be too many parts."""
    return _bounded(text.split, sep, maxsplit)


def _bounded(method: Callable[..., list[str]], sep: str | None, maxsplit: int) -> list[str]:
    parts = method(sep, maxsplit if 0 <= maxsplit < MAX_ITEMS else MAX_ITEMS)
    if len(parts) > MAX_ITEMS:
        raise over(f"makes more than {MAX_ITEMS:,} values")
    return parts


def _rsplit(_evaluation: Evaluation, text: str, sep: str | None = None, maxsplit: int = -1) -> list[str]:
    return _bounded(text.rsplit, sep, maxsplit)


def splitlines(evaluation: Evaluation, text: str, keepends: bool = False) -> list[str]:
    """Return `text.splitlines(keepends)`. Raises ExpressionError when there would be too many lines."""
    evaluation.may_make(items=sum(text.count(end) for end in _LINE_ENDS))
    return text.splitlines(keepends)


def cased(name: str) -> Callable[..., str]:
    """Return the method `name` of text that changes letters; beyond ASCII it is slow, and a letter may become three."""

    def change(evaluation: Evaluation, text: str) -> str:
        evaluation.may_make(text=len(text) if text.isascii() else 3 * len(text))
        return str(getattr(text, name)())

    return change


def _padded(name: str) -> Callable[..., str]:
    def pad(evaluation: Evaluation, text: str, width: int, *fill: str) -> str:
        evaluation.may_make(text=max(len(text), width))
        return str(getattr(text, name)(width, *fill))

    return pad


_TEXT_METHODS: dict[str, Callable[..., Any]] = {
    "format": lambda evaluation, text, *args, **kwargs: brace_format(evaluation, text, args, kwargs),
    "join": join,
    "replace": replace,
    "rsplit": _rsplit,
    "split": split,
    "splitlines": splitlines,
    **{name: cased(name) for name in ("capitalize", "casefold", "lower", "swapcase", "title", "upper")},
    **{name: _padded(name) for name in ("center", "ljust", "rjust", "zfill")},
}


def numbers(*args: Any) -> list[int]:
    """Return `range(*args)` as a list. Raises ExpressionError for more than `MAX_RANGE` numbers."""
    found = range(*args)
    # `len` of a range fails beyond the machine's word, so the bound is looked up instead.
    if found[MAX_RANGE : MAX_RANGE + 1]:
        raise over(f"makes a range of more than {MAX_RANGE:,} numbers")
    return list(found)


GLOBALS = {"range": Function("range", numbers, loads=False), "dict": Function("dict", dict, loads=False)}
"""The functions that every expression has."""
