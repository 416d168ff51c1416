"""Renders, on a worker, what steers the flow; the answer becomes an event of the interpreter."""

from __future__ import annotations

from collections.abc import Mapping
from json import dumps
from typing import Any

from rota.errors import ExpressionError, RotaError
from rota.executions.interpreter.values import Condition, Expr
from rota.executions.iterating import text_of
from rota.executions.values import NotJson, Seal, plain, sealed
from rota.flows.templates import compile_expression, compile_value, secret_values

Names = Mapping[str, Any]
LONGEST_OUTPUTS = 1 << 20
"""The longest `outputs` of a flow, in characters of JSON."""


def evaluate(sources: Mapping[str, Any], names: Names, seal: Seal, *, lenient: bool = False) -> dict[str, Any]:
    """Render `{name: source}` to `{name: value}`, JSON values all of them.

    `collect` is a mapping of expressions; with `lenient`, those of its columns that cannot be resolved are null.
    `collect` and `outputs` are kept as they are stored: artifacts by reference, and in `outputs` secrets sealed.
    Raises ExpressionError.
    """
    found: dict[str, Any] = {}
    for name, source in sources.items():
        if name == "collect":
            found[name] = _collect(source, names, seal, lenient)
        elif name == "outputs":
            found[name] = _storable(compile_value(source).render(names), seal)
            if len(dumps(found[name])) > LONGEST_OUTPUTS:
                raise ExpressionError(
                    f"the flow's `outputs` have more than {LONGEST_OUTPUTS:,} characters",
                    hint="store a file in a task, and give that artifact on",
                )
        elif name == "lock":
            found[name] = text_of(compile_value(source).render(names), "the key of the lock")
        else:
            found[name] = evaluate_one(source, names)
    return found


def evaluate_one(source: Any, names: Names) -> Any:
    """Render one source as its type asks: a condition, an expression, or a value. Raises ExpressionError."""
    if isinstance(source, Condition):
        return compile_expression(str(source)).condition(names)
    rendered = (compile_expression(str(source)) if isinstance(source, Expr) else compile_value(source)).render(names)
    if any(True for _ in secret_values(rendered)):
        raise ExpressionError("it uses a secret, which may not steer a flow", expression=str(source)[:80])
    try:
        return plain(rendered)
    except NotJson as error:
        raise ExpressionError(str(error), expression=str(source)[:80]) from None


def _collect(columns: Mapping[str, Any], names: Names, seal: Seal, lenient: bool) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for column, source in columns.items():
        try:
            found[column] = evaluate_one(source, names)
        except RotaError:
            if not lenient:
                raise
            found[column] = None
    stored: dict[str, Any] = _storable(found, seal)
    return stored


def _storable(value: Any, seal: Seal) -> Any:
    try:
        return sealed(value, seal)
    except NotJson as error:
        raise ExpressionError(str(error)) from None
