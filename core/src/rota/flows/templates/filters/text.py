"""Filters for text."""

from __future__ import annotations

import shlex
from typing import Any

from jinja2.filters import do_truncate, do_wordcount, do_wordwrap
from jinja2.utils import pass_environment

from rota.errors import ExpressionError
from rota.flows.templates import calls
from rota.flows.templates.budget import current, over
from rota.flows.templates.data import to_text
from rota.flows.templates.filters.bounds import Filter
from rota.flows.templates.formatting import percent_format

_MAX_WRAPPED = 50_000


def string(value: Any) -> str:
    """Return `value` as it stands inside a text."""
    return to_text(current(), value)


def join(values: Any, separator: str = "", attribute: str | int | None = None) -> str:
    """Return the texts of `values`, or of an attribute of each, with `separator` between."""
    if attribute is not None:
        from rota.flows.templates.filters.lists import attributes

        values = attributes(values, attribute)
    return calls.join(current(), string(separator), values)


def replace(value: Any, old: Any, new: Any, count: int | None = None) -> str:
    """Return `value` with `old` replaced by `new`, at most `count` times."""
    return calls.replace(current(), string(value), string(old), string(new), count)


def split(value: Any, sep: str | None = None, maxsplit: int = -1) -> list[str]:
    """Return the parts of `value` between `sep`, or between white space."""
    return calls.split(current(), string(value), sep, maxsplit)


def center(value: Any, width: int = 80) -> str:
    """Return `value` in the middle of `width` characters."""
    current().may_make(text=width)
    return string(value).center(width)


def indent(value: Any, width: int | str = 4, first: bool = False, blank: bool = False) -> str:
    """Return `value` with every line but the first moved right by `width` characters, or by a text."""
    text, margin = string(value), width if isinstance(width, str) else ""
    length = len(width) if isinstance(width, str) else width
    current().may_make(text=len(text) + length * (text.count("\n") + 1))
    margin = margin or " " * length
    lines = text.split("\n")
    moved = [margin + line if (line or blank) and (number or first) else line for number, line in enumerate(lines)]
    return "\n".join(moved)


def quote(value: Any) -> str:
    """Return `value` quoted for a POSIX shell; a list gives each of its items quoted, with spaces between."""
    texts = [string(item) for item in value] if isinstance(value, list) else [string(value)]
    current().may_make(text=sum(len(text) + 3 + 4 * text.count("'") for text in texts))
    if any("\0" in text for text in texts):
        raise ExpressionError("a text with a NUL character cannot be given to a shell")
    return " ".join(map(shlex.quote, texts))


def percent(value: Any, *args: Any, **kwargs: Any) -> str:
    """Return `value % args`: `'%03d' | format(n)`."""
    return percent_format(current(), string(value), kwargs or list(args))


@pass_environment
def truncate(environment: Any, value: Any, length: int = 255, killwords: bool = False, end: str = "...") -> str:
    """Return the first `length` characters of `value`, cut at a word unless `killwords`, with `end` after."""
    return do_truncate(environment, string(value), max(length, len(end)), killwords, end, 0)


@pass_environment
def wordwrap(environment: Any, value: Any, width: int = 79) -> str:
    """Return `value` in lines of at most `width` characters."""
    text = string(value)
    if len(text) > _MAX_WRAPPED:
        raise over(f"wraps a text of more than {_MAX_WRAPPED:,} characters")
    return do_wordwrap(environment, text, width)


def _cased(name: str) -> Filter:
    change = calls.cased(name)
    return lambda value: change(current(), string(value))


FILTERS: dict[str, Filter] = {
    "capitalize": _cased("capitalize"),
    "center": center,
    "format": percent,
    "indent": indent,
    "join": join,
    "lower": _cased("lower"),
    "quote": quote,
    "replace": replace,
    "split": split,
    "splitlines": lambda value: calls.splitlines(current(), string(value)),
    "string": string,
    "title": _cased("title"),
    "trim": lambda value, chars=None: string(value).strip(chars),
    "truncate": truncate,
    "upper": _cased("upper"),
    "wordcount": lambda value: do_wordcount(string(value)),
    "wordwrap": wordwrap,
}
