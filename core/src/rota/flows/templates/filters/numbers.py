"""Filters for numbers and sizes."""

from __future__ import annotations

import math
import re
from typing import Any

from jinja2.filters import do_filesizeformat, do_max, do_min, do_random

from rota.errors import ExpressionError
from rota.flows.templates.arithmetic import binary, kind
from rota.flows.templates.budget import MAX_BITS, current, over

_MAX_DIGITS = 1300
_TRUE, _FALSE = frozenset({"true", "yes", "on", "1", "y", "t"}), frozenset({"false", "no", "off", "0", "n", "f", ""})
_UNITS = "BKMGTPEZY"
_SIZE = re.compile(r"\s*(\d{1,30}(?:\.\d{1,30})?)\s*([BKMGTPEZY]?)(i?)(b|bit|B|yte|ytes)?\s*", re.IGNORECASE | re.ASCII)


def integer(value: Any, default: Any = ..., base: int = 10) -> Any:
    """Return `value` as a whole number, cutting off a fraction; `default`, where given, when it is none."""
    if isinstance(value, str) and len(value) > _MAX_DIGITS:
        raise over(f"reads a number of more than {_MAX_DIGITS} digits")
    try:
        number = int(value, base) if isinstance(value, str) and base != 10 else _whole(value)
    except (TypeError, ValueError, OverflowError):
        return _or_default(value, default, "whole number")
    if number.bit_length() > MAX_BITS:
        raise over(f"makes a number of more than {MAX_BITS} bits")
    return number


def _whole(value: Any) -> int:
    try:
        return int(value)
    except ValueError:
        return int(float(value))


def real(value: Any, default: Any = ...) -> Any:
    """Return `value` as a number with a fraction; `default`, where given, when it is none."""
    if isinstance(value, str) and len(value) > _MAX_DIGITS:
        raise over(f"reads a number of more than {_MAX_DIGITS} digits")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return _or_default(value, default, "number")


def _or_default(value: Any, default: Any, what: str) -> Any:
    if default is ...:
        shown = f"the text `{value[:40]}`" if isinstance(value, str) else kind(value)
        raise ExpressionError(f"{shown} is no {what}", hint="give a default: `… | int(0)`")
    return default


def boolean(value: Any) -> bool | None:
    """Return `value` as a boolean: `true yes on 1` and their opposites, in any case; null stays null."""
    if value is None or isinstance(value, bool):
        return value
    word = str(value).strip().lower() if isinstance(value, (str, int, float)) else None
    if word in _TRUE or value == 1:
        return True
    if word in _FALSE or value == 0:
        return False
    raise ExpressionError(f"{kind(value)} that is neither true nor false", hint="write `true` or `false`")


def rounded(value: Any, precision: int = 0, method: str = "common") -> Any:
    """Return `value` rounded to `precision` digits: `common`, `ceil` or `floor`."""
    if not -30 <= precision <= 30:
        raise over("rounds to more than 30 digits")
    if method == "common":
        return round(value, precision)
    if method not in ("ceil", "floor"):
        raise ExpressionError("`round` takes the methods `common`, `ceil` and `floor`")
    scale = 10.0**precision
    return getattr(math, method)(value * scale) / scale


def total(values: Any, attribute: str | int | None = None, start: Any = 0) -> Any:
    """Return the sum of `values`, or of an attribute of each, and `start`."""
    if attribute is not None:
        from rota.flows.templates.filters.lists import attributes

        values = attributes(values, attribute)
    for value in values:
        start = binary(current(), "+", start, value)
    return start


def human_readable(value: Any, isbits: bool = False, unit: str | None = None) -> str:
    """Return a number of bytes, or bits, as people read it: `1.50 GB`, counted by 1024."""
    size, letter = float(value), (unit or "").upper()[:1]
    if not math.isfinite(size) or letter not in _UNITS:
        raise ExpressionError("it is no size, or its unit is none of `B K M G T P E Z Y`")
    power = _UNITS.index(letter) if letter else min(int(math.log(size, 1024)) if size >= 1 else 0, len(_UNITS) - 1)
    suffix = ("" if power == 0 else _UNITS[power]) + ("b" if isbits else "B")
    suffix = suffix if power else ("bits" if isbits else "Bytes")
    return f"{size / 1024**power:.2f} {suffix}"


def human_to_bytes(value: Any, default_unit: str = "B", isbits: bool = False) -> int:  # noqa: ARG001  # Ansible has it
    """Return the number of bytes, or bits, that a text such as `1.5 GB` means, counted by 1024."""
    found = _SIZE.fullmatch(str(value)) if isinstance(value, (str, int, float)) else None
    if not found:
        raise ExpressionError(f"{kind(value)} that is no size", hint="write it like `512K` or `1.5 GB`")
    letter = (found[2] or default_unit or "B").upper()[:1]
    return round(float(found[1]) * 1024.0 ** _UNITS.index(letter))


FILTERS = {
    "abs": abs,
    "bool": boolean,
    "filesizeformat": do_filesizeformat,
    "float": real,
    "human_readable": human_readable,
    "human_to_bytes": human_to_bytes,
    "int": integer,
    "max": do_max,
    "min": do_min,
    "random": do_random,
    "round": rounded,
    "sum": total,
}
