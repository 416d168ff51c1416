"""What `a.b`, `a[b]` and `a.b()` reach: keys first, then a few attributes and methods of plain data."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from typing import Any

from pydantic import Secret, SecretStr

from rota.context import Artifact
from rota.errors import ExpressionError
from rota.flows.templates.budget import Evaluation
from rota.flows.templates.data import is_data, not_data
from rota.flows.templates.undefined import Missing, join_path

_DATE = ("year", "month", "day")
_TIME = ("hour", "minute", "second", "microsecond")
_ATTRIBUTES: tuple[tuple[type, frozenset[str]], ...] = (
    (datetime, frozenset(_DATE + _TIME)),
    (date, frozenset(_DATE)),
    (time_of_day, frozenset(_TIME)),
    (timedelta, frozenset({"days", "seconds", "microseconds"})),
    (Artifact, frozenset({"uri", "name", "size", "sha256"})),
)
_TEXT_METHODS = (
    "capitalize casefold center count endswith find format index isalnum isalpha isascii isdecimal isdigit islower "
    "isnumeric isspace istitle isupper join ljust lower lstrip partition removeprefix removesuffix replace rfind "
    "rindex rjust rpartition rsplit rstrip split splitlines startswith strip swapcase title upper zfill"
)
_METHODS: tuple[tuple[type, frozenset[str]], ...] = (
    (str, frozenset(_TEXT_METHODS.split())),
    (Mapping, frozenset({"get", "items", "keys", "values"})),
    (list, frozenset({"count", "index"})),
    (float, frozenset({"is_integer"})),
    (datetime, frozenset({"date", "isoformat", "isoweekday", "strftime", "time", "timestamp", "weekday"})),
    (date, frozenset({"isoformat", "isoweekday", "strftime", "weekday"})),
    (time_of_day, frozenset({"isoformat", "strftime"})),
    (timedelta, frozenset({"total_seconds"})),
)
FUNCTIONS = frozenset({"secret", "kv", "read", "file", "now"})
"""The names that may hold a function, given by whoever renders."""


@dataclass(frozen=True, slots=True)
class Method:
    """A method of plain data, about to be called."""

    owner: Any
    name: str

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError("methods are called by the evaluator")


@dataclass(frozen=True, slots=True)
class Function:
    """A function that an expression may call. `loads` says that its time is not the expression's."""

    name: str
    call: Callable[..., Any]
    loads: bool = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.call(*args, **kwargs)


def name(evaluation: Evaluation, key: str) -> Any:
    """Return the value of the top-level name `key`, or a `Missing`."""
    value = _load(evaluation, evaluation.names, key)
    if value is _ABSENT:
        return Missing.at(key, evaluation.names)
    if callable(value) and not is_data(value):
        if key not in FUNCTIONS:
            raise not_data(value)
        return Function(key, value)
    return opened(evaluation, value)


def member(evaluation: Evaluation, owner: Any, key: Any, path: str) -> Any:
    """Return `owner.key`, or a `Missing`. `path` is how `owner` is written.

    Raises ExpressionError for what is private and for what is no plain data.
    """
    if isinstance(owner, Missing):
        return owner.child(key)
    if isinstance(owner, Mapping):
        value = _load(evaluation, owner, key)
        if value is not _ABSENT:
            return opened(evaluation, value)
    elif isinstance(key, int) and isinstance(owner, (list, tuple, str)):
        return opened(evaluation, owner[key]) if -len(owner) <= key < len(owner) else _missing(path, key)
    if not isinstance(key, str):
        return _missing(path, key, owner)
    if key.startswith("_") and not (isinstance(owner, Mapping) and not key.startswith("__")):
        raise ExpressionError(f"`{key[:40]}` is private, an expression cannot reach it")
    return _attribute(owner, key, path)


def _attribute(owner: Any, key: str, path: str) -> Any:
    for kind, names in _ATTRIBUTES:
        if isinstance(owner, kind):
            if key in names:
                return getattr(owner, key)
            break
    if isinstance(owner, tuple) and key in getattr(owner, "_fields", ()):
        return getattr(owner, key)
    for kind, names in _METHODS:
        if isinstance(owner, kind):
            if key in names:
                return Method(owner, key)
            break
    return _missing(path, key, owner)


def _missing(path: str, key: Any, owner: Any = ()) -> Missing:
    return Missing.at(join_path(path or "…", key), owner if isinstance(owner, Mapping) else ())


_ABSENT = object()


def _load(evaluation: Evaluation, mapping: Mapping[Any, Any], key: Any) -> Any:
    """Return `mapping[key]`; a mapping that is no dict may load it, which is not the expression's time."""
    if type(mapping) is dict:
        return mapping.get(key, _ABSENT)
    evaluation.start_clock()
    before = time.thread_time()
    try:
        return mapping[key]
    except KeyError:
        return _ABSENT
    finally:
        evaluation.pause(time.thread_time() - before)


def opened(evaluation: Evaluation, value: Any) -> Any:
    """Return `value`, unwrapped if it is a secret, which taints. Raises ExpressionError when it is no plain data."""
    if type(value) is str or type(value) is dict:
        return value
    while isinstance(value, (SecretStr, Secret)):
        evaluation.tainted = True
        value = value.get_secret_value()
    if not is_data(value):
        raise not_data(value)
    return value
