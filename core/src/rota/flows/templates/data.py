"""The plain data that expressions work on: what counts as such, how large it is, and how it becomes text."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, NoReturn

from jinja2 import Undefined
from pydantic import Secret, SecretStr

from rota.context import Artifact
from rota.errors import ExpressionError
from rota.flows.durations import format_duration
from rota.flows.templates.budget import MAX_DEPTH, MAX_ITEMS, MAX_TEXT, Evaluation, over
from rota.flows.templates.undefined import Missing

_SCALARS = frozenset({int, float, bool, type(None), datetime, date, time, timedelta, Artifact})
_PLAIN = (str, int, float, bool, date, time, timedelta, Artifact)
_SECRET, _FOREIGN = 1, 2

Size = tuple[int, int, int]
"""The number of values, of characters, and whether something is to be converted first."""


def plain(evaluation: Evaluation, value: Any) -> Any:
    """Return `value` as plain data: secrets unwrapped (which taints), mappings and tuples as dict and list.

    What is plain already is returned as it is. Raises ExpressionError when something in it is undefined,
    is no data, or it is too large.
    """
    kind = type(value)
    if kind is str or kind in _SCALARS:
        return value
    _, _, flags = measure(evaluation, value)
    if flags & _SECRET:
        evaluation.tainted = True
    return _copied(value) if flags else value


def measure(evaluation: Evaluation, value: Any, depth: int = 0) -> Size:
    """Return the size of `value` as if nothing in it were shared: what writing it out would take."""
    kind = type(value)
    if kind is str:
        return 1, len(value), 0
    if kind in _SCALARS:
        return 1, 8, 0
    if isinstance(value, (Mapping, list, tuple, set, frozenset)):
        known = evaluation.measured.get(id(value))
        if known is None:
            known = (value, *_measure_container(evaluation, value, depth + 1))
            evaluation.measured[id(value)] = known
        return known[1:]
    if isinstance(value, (SecretStr, Secret)):
        nodes, text, _ = measure(evaluation, value.get_secret_value(), depth + 1)
        return nodes, text, _SECRET | _FOREIGN
    if isinstance(value, Undefined):
        fail_undefined(value)
    if isinstance(value, _PLAIN):
        return 1, len(value) if isinstance(value, str) else 8, 0
    raise not_data(value)


def _measure_container(evaluation: Evaluation, value: Any, depth: int) -> Size:
    if depth > MAX_DEPTH:
        raise over(f"works on data nested deeper than {MAX_DEPTH}")
    nodes, text, flags = 1, 0, 0 if type(value) in (dict, list) else _FOREIGN
    if isinstance(value, Mapping):
        text += sum(len(key) if isinstance(key, str) else 8 for key in value)
        value = value.values()
    evaluation.step(1 + len(value) // 4)
    for item in value:
        if type(item) is str:
            nodes, text = nodes + 1, text + len(item)
        else:
            more, chars, flag = measure(evaluation, item, depth)
            nodes, text, flags = nodes + more, text + chars, flags | flag
        if nodes > MAX_ITEMS:
            raise over(f"works on more than {MAX_ITEMS:,} values")
    if text > MAX_TEXT + 8 * nodes:
        raise over(f"works on more than {MAX_TEXT:,} characters")
    return nodes, text, flags


def finished(evaluation: Evaluation, value: Any) -> Any:
    """Return the result of an expression as plain data; secrets inside of it stay wrapped unless it is secret itself.

    Raises ExpressionError when something in it is undefined, is no data, or it is too large.
    """
    kind = type(value)
    if kind is str or kind in _SCALARS:
        return value
    _, _, flags = measure(evaluation, value)
    if isinstance(value, (SecretStr, Secret)):
        evaluation.tainted = True
    if evaluation.tainted:
        return _copied(value)
    return _copied(value, keep_secrets=True) if flags & _FOREIGN else value


def _copied(value: Any, *, keep_secrets: bool = False) -> Any:
    if isinstance(value, (SecretStr, Secret)):
        return value if keep_secrets else _copied(value.get_secret_value())
    if isinstance(value, Mapping):
        return {key: _copied(item, keep_secrets=keep_secrets) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_copied(item, keep_secrets=keep_secrets) for item in value]
    return value


def surface(evaluation: Evaluation, value: Any, *, lenient: bool = False) -> Any:
    """Return `value` with only its outermost part looked at: for filters that hand on what is inside.

    Raises ExpressionError when it is no data, or undefined unless `lenient`.
    """
    if isinstance(value, Undefined) and not lenient:
        fail_undefined(value)
    while isinstance(value, (SecretStr, Secret)):
        evaluation.tainted = True
        value = value.get_secret_value()
    if not is_data(value):
        raise not_data(value)
    return value


def fail_undefined(value: Undefined) -> NoReturn:
    """Raise the ExpressionError for an undefined value."""
    if isinstance(value, Missing):
        value.fail()
    raise ExpressionError("an `if` without `else` gave no value", hint="write `… if … else …`")


def not_data(value: Any) -> ExpressionError:
    """Return the error for a value that is no plain data."""
    if isinstance(value, Callable):  # type: ignore[arg-type]
        return ExpressionError("a function is no value", hint="call it: `name(…)`")
    return ExpressionError(f"a `{type(value).__name__}` is no plain data, an expression cannot use it")


def is_data(value: Any) -> bool:
    """Say whether `value` itself is plain data, or a secret, or undefined."""
    kind = type(value)
    if kind is str or kind is dict or kind is list or kind in _SCALARS:
        return True
    return value is None or isinstance(
        value, (*_PLAIN, Mapping, list, tuple, set, frozenset, SecretStr, Secret, Undefined)
    )


def to_text(evaluation: Evaluation, value: Any) -> str:
    """Return `value` as it stands inside a text.

    Text is itself, numbers as Python writes them, booleans `true` and `false`, dates ISO 8601, durations
    `1h30m`, an artifact its uri, lists and mappings JSON. Null and undefined raise ExpressionError.
    """
    value = plain(evaluation, value)
    if isinstance(value, str):
        return value
    if value is None:
        raise ExpressionError("it is null, which has no text", hint="give a default: `… | default('', true)`")
    text = json_text(value) if isinstance(value, (dict, list, bool)) else scalar_text(value)
    evaluation.made(len(text))
    return text


def scalar_text(value: Any) -> str:
    """Return the text of a number, a date, a time, a duration or an artifact. Raises TypeError for anything else."""
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, Artifact):
        return value.uri
    raise TypeError(f"a {type(value).__name__} has no text")


def json_text(value: Any, *, sort_keys: bool = False) -> str:
    """Return plain data as JSON in one line, keys in their order unless sorted.

    Dates, durations and artifacts are text. Raises ExpressionError for infinity and what is not a number.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=sort_keys, default=scalar_text)
    except ValueError:
        raise ExpressionError("infinity and not-a-number have no JSON") from None
