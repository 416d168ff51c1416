"""`%` and `str.format` with widths that cannot exhaust memory."""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Any

from rota.errors import ExpressionError
from rota.flows.templates.budget import MAX_BITS, Evaluation, over
from rota.flows.templates.data import scalar_text, to_text

MAX_WIDTH = 1_000
"""The largest width or precision that a format may ask for."""
_PERCENT = re.compile(
    r"%(?:\((?P<key>[^()]{0,200})\))?[#0\- +]*(?P<width>\*|\d*)(?:\.(?P<precision>\*|\d*))?(?P<kind>.)?", re.DOTALL
)
_KINDS = frozenset("diouxXeEfFgGcs%")
_NUMBER = re.compile(r"\d+")
_TIME_FORMAT = re.compile(r"%[-+_0^#EO]*\d")
_MAX_TIME_FORMAT = 500


def percent_format(evaluation: Evaluation, template: str, values: Any) -> str:
    """Return `template % values`; a list gives several values, a mapping named ones. Raises ExpressionError."""
    room, keyed = 0, False
    for found in _PERCENT.finditer(template):
        evaluation.step()
        if found["width"] == "*" or found["precision"] == "*":
            raise ExpressionError("a format cannot take its width from a value")
        if (found["kind"] or "") not in _KINDS:
            raise ExpressionError(
                f"`{found[0][:20]}` is no format", hint="write it like `%s`, `%03d`, `%.2f` or `%(key)s`"
            )
        _check_width(found["width"], found["precision"])
        keyed = keyed or found["key"] is not None
        room += _room(evaluation, values[found["key"]] if _has(values, found["key"]) else 0)
    if not (keyed and isinstance(values, Mapping)):
        items = values if isinstance(values, (list, tuple)) else [values]
        room += sum(_room(evaluation, item) for item in items)
        values = tuple(_printable(evaluation, item) for item in items)
    else:
        values = {key: _printable(evaluation, item) for key, item in values.items()}
    evaluation.may_make(text=len(template) + room)
    try:
        text: str = template % values
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise ExpressionError(f"the format does not fit its values: {type(error).__name__}: {error}") from None
    evaluation.made(len(text))
    return text


def _has(values: Any, key: str | None) -> bool:
    return key is not None and isinstance(values, Mapping) and key in values


def _room(evaluation: Evaluation, value: Any) -> int:
    """Return how long `value` may become in a text, at most."""
    return MAX_WIDTH + MAX_BITS + (len(value) if isinstance(value, str) else len(to_text(evaluation, value or 0)))


def _printable(evaluation: Evaluation, value: Any) -> Any:
    if isinstance(value, (int, float, str)) and not isinstance(value, bool):
        return value
    return to_text(evaluation, value)


def _check_width(*numbers: str | None) -> None:
    for number in numbers:
        if number and (len(number) > 6 or int(number) > MAX_WIDTH):
            raise over(f"asks for a format wider than {MAX_WIDTH}")


class _Formatter(string.Formatter):
    """`str.format` without attributes of values."""

    def __init__(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation
        self._room = 0

    def get_field(self, field_name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if "." in field_name or "[" in field_name:
            raise ExpressionError("a format takes plain values: `{}`, `{0}` or `{name}`")
        found: tuple[Any, Any] = super().get_field(field_name, args, kwargs)
        return found

    def convert_field(self, value: Any, conversion: Any) -> Any:
        return to_text(self._evaluation, value) if conversion else value

    def format_field(self, value: Any, format_spec: str) -> Any:
        if isinstance(value, (datetime, date, time)):
            check_time_format(format_spec)
        else:
            _check_width(*_NUMBER.findall(format_spec))
            value = value if _is_number(value) else to_text(self._evaluation, value)
        text: str = format(value, format_spec)
        # Counted as it grows: one value may stand in a template many times.
        self._room += len(text)
        self._evaluation.may_make(text=self._room)
        return text


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def brace_format(evaluation: Evaluation, template: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str:
    """Return `template.format(*args, **kwargs)`. Raises ExpressionError."""
    try:
        text = _Formatter(evaluation).vformat(template, args, kwargs)
    except (TypeError, ValueError, LookupError, OverflowError) as error:
        raise ExpressionError(f"the format does not fit its values: {type(error).__name__}: {error}") from None
    evaluation.made(len(text))
    return text


def check_time_format(template: str) -> None:
    """Raise ExpressionError when a `strftime` format is too long or pads to a width."""
    if len(template) > _MAX_TIME_FORMAT or _TIME_FORMAT.search(template):
        raise over(f"has a time format that is longer than {_MAX_TIME_FORMAT} characters or has a width")


def format_time(value: datetime | date | time, template: str) -> str:
    """Return `value` as `strftime` writes it; `%F` and `%T` work on every platform."""
    check_time_format(template)
    if not template:
        return scalar_text(value)
    portable = template.replace("%%", "\0").replace("%F", "%Y-%m-%d").replace("%T", "%H:%M:%S").replace("\0", "%%")
    return value.strftime(portable)
