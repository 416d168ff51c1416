"""Checks conditions: that they give true or false, and not always the same."""

from __future__ import annotations

from rota.errors import ExpressionError
from rota.flows.checker.examination import Examination
from rota.flows.checker.inference import infer
from rota.flows.checker.names import Reader
from rota.flows.checker.shapes import ANY
from rota.flows.checker.spots import Spot
from rota.flows.models import Repeat
from rota.flows.templates import Found, Value

_MEANING = {
    ("when", False): "`disabled: true` says so plainly",
    ("when", True): "leave it out",
    ("condition", True): "only `then` ever runs",
    ("condition", False): "only `else` ever runs",
    ("select", True): "leave it out",
    ("select", False): "no target is ever left",
    ("until", True): "it ends after the first iteration",
    ("until", False): "it goes on to its limit, and fails there",
}


def check_condition(exam: Examination, reader: Reader, spot: Spot, value: Value) -> None:
    """Report a condition that is no boolean, or always the same."""
    if spot.value is None:
        return
    if not value.expressions:
        result = value.render({})
        if isinstance(result, bool):
            _constant(exam, spot, result)
        else:
            _not_boolean(exam, spot, f"it is `{result}`", 0)
        return
    found = value.expressions[0]
    uses = found.expression.uses
    if not uses.paths and not uses.calls:
        _check_constant(exam, spot, found)
        return
    try:
        shape = infer(found.expression.tree, lambda keys: reader.shape(spot, keys) or ANY)
    except ExpressionError:
        return
    if shape.kinds and "boolean" not in shape.kinds:
        _not_boolean(exam, spot, f"it gives {shape.words}", found.offset)


def _check_constant(exam: Examination, spot: Spot, found: Found) -> None:
    try:
        result = found.expression.evaluate({}).value
    except ExpressionError as error:
        place = exam.place(spot.path, found.offset)
        exam.report("invalid-expression", error.message, spot.path, error.hint, place=place)
        return
    if isinstance(result, bool):
        _constant(exam, spot, result)
    else:
        _not_boolean(exam, spot, f"it is `{result}`", found.offset)


def _constant(exam: Examination, spot: Spot, result: bool) -> None:
    step = spot.site.step if spot.site else None
    if spot.root == "until" and not result and isinstance(step, Repeat):
        hint = _MEANING["until", False]
    else:
        hint = _MEANING.get((spot.root, result), "")
    message = f"`{spot.root}`{_of(spot)} is always {str(result).lower()}"
    exam.report("constant-condition", message, spot.path, hint)


def _not_boolean(exam: Examination, spot: Spot, what: str, offset: int) -> None:
    message = f"`{spot.root}`{_of(spot)} must give true or false, {what}"
    hint = "compare it: `… == 'x'`, `… > 0`, or use a test such as `is defined`"
    exam.report("not-boolean", message, spot.path, hint, place=exam.place(spot.path, offset))


def _of(spot: Spot) -> str:
    return f" of task `{spot.site.id}`" if spot.site and spot.site.id else ""
