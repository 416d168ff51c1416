"""The operators of expressions, each within the budget."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rota.errors import ExpressionError
from rota.flows.templates.budget import MAX_BITS, Evaluation, over
from rota.flows.templates.data import measure, plain, to_text
from rota.flows.templates.formatting import percent_format

_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
}
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "lteq": operator.le,
    "gt": operator.gt,
    "gteq": operator.ge,
}


def binary(evaluation: Evaluation, symbol: str, left: Any, right: Any) -> Any:
    """Return `left symbol right`. Raises ExpressionError when they do not fit, or the result is too large."""
    evaluation.step()
    left, right = plain(evaluation, left), plain(evaluation, right)
    if symbol == "%" and isinstance(left, str):
        return percent_format(evaluation, left, right)
    if isinstance(left, int) and isinstance(right, int):
        _check_numbers(symbol, left, right)
    elif symbol == "*":
        _check_repetition(evaluation, left, right)
    elif symbol == "+" and isinstance(left, (str, list)) and type(left) is type(right):
        evaluation.may_make(**_size(left, len(right)))
    try:
        result = _BINARY[symbol](left, right)
    except ZeroDivisionError:
        raise ExpressionError("it divides by zero") from None
    except OverflowError:
        raise over("makes a number that is too large") from None
    except TypeError:
        raise _unfit(symbol, left, right) from None
    return _checked(evaluation, result)


def _check_numbers(symbol: str, left: int, right: int) -> None:
    bits = left.bit_length()
    if symbol == "**" and right > 0:
        bits *= right
    elif symbol == "*":
        bits += right.bit_length()
    if max(bits, left.bit_length(), right.bit_length()) > MAX_BITS:
        raise over(f"makes a number of more than {MAX_BITS} bits")


def _check_repetition(evaluation: Evaluation, left: Any, right: Any) -> None:
    if isinstance(left, int):
        left, right = right, left
    if isinstance(left, (str, list)) and isinstance(right, int):
        count = max(right, 0)
        nodes, text, _ = measure(evaluation, left)
        evaluation.may_make(text=text * count, items=1 if isinstance(left, str) else nodes * count)


def _size(left: Any, more: int) -> dict[str, int]:
    if isinstance(left, str):
        return {"text": len(left) + more}
    return {"items": len(left) + more}


def _checked(evaluation: Evaluation, result: Any) -> Any:
    if isinstance(result, complex):
        raise ExpressionError("the root of a number below zero is no number")
    if isinstance(result, str):
        evaluation.made(len(result))
    elif isinstance(result, list):
        evaluation.step(len(result) // 8)
    elif isinstance(result, int) and result.bit_length() > MAX_BITS:
        raise over(f"makes a number of more than {MAX_BITS} bits")
    return result


def _unfit(symbol: str, left: Any, right: Any) -> ExpressionError:
    hint = "join text with `~`, or convert with `| int`" if isinstance(left, str) or isinstance(right, str) else ""
    return ExpressionError(f"`{symbol}` does not work on {kind(left)} and {kind(right)}", hint=hint)


def kind(value: Any) -> str:
    """Return what people call the type of `value`."""
    if value is None:
        return "null"
    names = {str: "text", bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "a mapping"}
    for python_type, text in names.items():
        if isinstance(value, python_type):
            return text
    return f"a {type(value).__name__}"


def unary(evaluation: Evaluation, symbol: str, value: Any) -> Any:
    """Return `-value` or `+value`. Raises ExpressionError when it is no number."""
    value = plain(evaluation, value)
    try:
        return -value if symbol == "-" else +value
    except TypeError:
        raise ExpressionError(f"`{symbol}` does not work on {kind(value)}") from None


def concat(evaluation: Evaluation, values: Sequence[Any]) -> str:
    """Return the texts of `values` in a row, as `~` does."""
    texts = [to_text(evaluation, value) for value in values]
    evaluation.may_make(text=sum(map(len, texts)))
    text = "".join(texts)
    evaluation.made(len(text))
    return text


def compare(evaluation: Evaluation, first: Any, rest: Sequence[tuple[str, Any]]) -> bool:
    """Return `first op value op value …`, as Python chains it. Raises ExpressionError."""
    left = first
    for symbol, right in rest:
        if not _compare(evaluation, symbol, left, right):
            return False
        left = right
    return True


def _compare(evaluation: Evaluation, symbol: str, left: Any, right: Any) -> bool:
    if symbol in ("in", "notin"):
        return _contains(evaluation, right, left) == (symbol == "in")
    left, right = plain(evaluation, left), plain(evaluation, right)
    try:
        return _COMPARE[symbol](left, right)
    except TypeError:
        raise ExpressionError(f"{kind(left)} and {kind(right)} have no order") from None


def _contains(evaluation: Evaluation, container: Any, item: Any) -> bool:
    item = plain(evaluation, item)
    # A mapping is asked for the key alone, so that one that loads on touch loads nothing.
    if not isinstance(container, Mapping):
        container = plain(evaluation, container)
        evaluation.step(len(container) // 8 if isinstance(container, list) else 1)
    try:
        return item in container
    except TypeError:
        raise ExpressionError(f"`in` does not work on {kind(item)} and {kind(container)}") from None
