"""Filters that choose: defaults and conditions."""

from __future__ import annotations

from typing import Any

from jinja2 import Undefined
from jinja2.filters import do_default

from rota.errors import ExpressionError
from rota.flows.templates.data import fail_undefined


def mandatory(value: Any, message: str = "") -> Any:
    """Return `value`; fail, with `message` where there is one, when it is undefined."""
    if isinstance(value, Undefined):
        if message:
            raise ExpressionError(message)
        fail_undefined(value)
    return value


def ternary(value: Any, if_true: Any, if_false: Any = None, if_null: Any = ...) -> Any:
    """Return `if_true` or `if_false` as `value` is, and `if_null`, where given, when it is null."""
    if value is None and if_null is not ...:
        return if_null
    return if_true if value else if_false


def type_debug(value: Any) -> str:
    """Return the name of the type of `value`."""
    return type(value).__name__


LENIENT: dict[str, Any] = {"default": do_default, "d": do_default, "mandatory": mandatory}
HANDING_ON: dict[str, Any] = {"ternary": ternary, "type_debug": type_debug}
