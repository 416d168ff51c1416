"""The tests of expressions (`x is match('^a')`), named as Jinja and Ansible name them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from jinja2.tests import TESTS

from rota.errors import ExpressionError
from rota.flows.templates.filters.bounds import bounded, handing_on
from rota.flows.templates.filters.regexes import find
from rota.flows.templates.filters.sets import identity

_JINJA_LENIENT = ("defined", "undefined")
_JINJA_SURFACE = (
    "boolean false float integer iterable mapping none number sameas sequence string true filter test odd even "
    "divisibleby"
).split()
_JINJA_DEEP = "in eq equalto == ne != lt lessthan < le <= gt greaterthan > ge >= lower upper".split()
_VERSION_PART = re.compile(r"\d{1,100}|[a-z]{1,100}", re.ASCII)
_END = (1, 0, "")
_MAX_VERSION = 200
_VERSION_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    **dict.fromkeys(("==", "=", "eq"), lambda left, right: left == right),
    **dict.fromkeys(("!=", "<>", "ne"), lambda left, right: left != right),
    **dict.fromkeys(("<", "lt"), lambda left, right: left < right),
    **dict.fromkeys(("<=", "le"), lambda left, right: left <= right),
    **dict.fromkeys((">", "gt"), lambda left, right: left > right),
    **dict.fromkeys((">=", "ge"), lambda left, right: left >= right),
}


def _matches(method: str) -> Callable[..., bool]:
    def test(value: Any, pattern: Any, ignorecase: bool = False, multiline: bool = False) -> bool:
        return find(value, pattern, method, ignorecase, multiline) is not None

    return test


def regex(
    value: Any, pattern: Any, ignorecase: bool = False, multiline: bool = False, match_type: str = "search"
) -> bool:
    """Say whether `pattern` fits as `match_type` says: `search`, `match` or `fullmatch`."""
    if match_type not in ("search", "match", "fullmatch"):
        raise ExpressionError("`match_type` is `search`, `match` or `fullmatch`")
    return find(value, pattern, match_type, ignorecase, multiline) is not None


def version(value: Any, other: Any, operator: str = "==") -> bool:
    """Compare versions part by part: `7.9 < 7.10`, `1.0rc1 < 1.0 == 1.0.0`; a leading `v` and `+build` do not count."""
    if operator not in _VERSION_TESTS:
        raise ExpressionError(
            f"`version` has no operator `{str(operator)[:20]}`", hint="use `<`, `<=`, `==`, `!=`, `>=` or `>`"
        )
    left, right = _version_parts(value), _version_parts(other)
    length = max(len(left), len(right))
    return _VERSION_TESTS[operator](*(parts + [_END] * (length - len(parts)) for parts in (left, right)))


def _version_parts(value: Any) -> list[tuple[int, int, str]]:
    text = str(value).strip().lower()
    parts = _VERSION_PART.findall(text.removeprefix("v").partition("+")[0])
    if not parts or len(text) > _MAX_VERSION:
        raise ExpressionError(f"`{text[:40]}` is no version")
    return [(1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts]


def subset(value: Any, other: Any) -> bool:
    """Say whether all of `value` is in `other`."""
    return {identity(item) for item in value} <= {identity(item) for item in other}


def contains(value: Any, item: Any) -> bool:
    """Say whether `item` is in `value`: `in` the other way round, for `selectattr`."""
    return item in value


_ANSIBLE: dict[str, Callable[..., bool]] = {
    "all": all,
    "any": any,
    "contains": contains,
    "falsy": lambda value: not value,
    "match": _matches("match"),
    "regex": regex,
    "search": _matches("search"),
    "subset": subset,
    "superset": lambda value, other: subset(other, value),
    "truthy": bool,
    "version": version,
    "version_compare": version,
}


def builtin_tests() -> dict[str, Callable[..., Any]]:
    """Return every test by name, under the budget."""
    jinja: dict[str, Any] = TESTS
    found: dict[str, Callable[..., Any]] = {name: handing_on(jinja[name], lenient=True) for name in _JINJA_LENIENT}
    found |= {name: handing_on(jinja[name]) for name in _JINJA_SURFACE}
    found |= {name: bounded(function) for name, function in _ANSIBLE.items()}
    return found | {name: bounded(jinja[name]) for name in _JINJA_DEEP}
