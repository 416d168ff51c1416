"""Checks every expression of a flow: syntax, names, what is read of them, and what they give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rota.errors import ExpressionError
from rota.flows.checker.conditions import check_condition
from rota.flows.checker.examination import Examination
from rota.flows.checker.functions import check_call
from rota.flows.checker.inference import infer
from rota.flows.checker.names import Reader
from rota.flows.checker.shapes import ANY, Shape
from rota.flows.checker.spots import Spot
from rota.flows.checker.steering import check_secrets
from rota.flows.checker.world import World
from rota.flows.places import Path
from rota.flows.templates import Found, Value, compile_expression, compile_value

_FOREIGN = frozenset({"outputs", "target", "item", "trigger", "key", "error"})
"""Names whose values come from outside: nobody knows what is in them."""
_FOREIGN_CALLS = frozenset({"read", "kv"})
_HARMLESS = frozenset({"integer", "number", "boolean"})


@dataclass(frozen=True, slots=True)
class Used:
    """What the expressions of a flow use: the inputs and variables, None for all of them."""

    inputs: set[str | None]
    variables: set[str | None]


def check_expressions(exam: Examination, world: World) -> Used:
    """Report what is wrong with the expressions of the flow; return what they use."""
    reader = Reader(exam, world)
    used = Used(set(), set())
    for spot in exam.spots:
        value = compiled(exam, spot)
        if value is None:
            used.inputs.add(None)
            used.variables.add(None)
            continue
        for found in value.expressions:
            _check(exam, reader, spot, found, used)
        if spot.mode == "condition":
            check_condition(exam, reader, spot, value)
    return used


def compiled(exam: Examination, spot: Spot) -> Value | None:
    """Return the compiled value of `spot`, or None after what is wrong with it was reported."""
    if spot.value is None:
        return compile_value(None)
    try:
        value = compile_value(spot.value) if spot.mode == "value" else compile_expression(spot.value)
        for found in value.expressions:
            _ = found.expression.uses
    except ExpressionError:
        _report_broken(exam, spot)
        return None
    return value


def _report_broken(exam: Examination, spot: Spot) -> None:
    """Find each text that is wrong and say so at its place."""
    for path, text in _texts(spot.path, spot.value):
        start = 0
        try:
            value = compile_value(text) if spot.mode == "value" else compile_expression(text)
            for found in value.expressions:
                start = found.offset
                _ = found.expression.uses
        except ExpressionError as error:
            place = exam.place(path, start + error.offset)
            exam.report("invalid-expression", error.message, path, error.hint, place=place)


def _texts(path: Path, value: object) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts((*path, key), item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts((*path, index), item)


def _check(exam: Examination, reader: Reader, spot: Spot, found: Found, used: Used) -> None:
    uses = found.expression.uses
    shapes = [reader.read(spot, found, path) for path in uses.paths]
    for path in uses.paths:
        for name, names in (("inputs", used.inputs), ("vars", used.variables)):
            if path.keys[0] == name:
                names.add(str(path.keys[1]) if len(path.keys) > 1 and path.keys[1] is not None else None)
    for call in uses.calls:
        check_call(exam, spot, found, call)
    check_secrets(exam, spot, found, [shape or ANY for shape in shapes])
    if spot.shell and (not found.keys or not isinstance(spot.value, list)):
        _check_shell(exam, reader, spot, found)


def _check_shell(exam: Examination, reader: Reader, spot: Spot, found: Found) -> None:
    uses = found.expression.uses
    foreign = sorted(uses.names & _FOREIGN) + sorted({call.name for call in uses.calls} & _FOREIGN_CALLS)
    if uses.quoted or not foreign or spot.site is None:
        return
    shape = result_of(reader, spot, found)
    if (shape.kinds and shape.kinds <= _HARMLESS) or (found.whole and shape.kind == "array"):
        return
    source = found.expression.source
    exam.report(
        "shell-injection",
        f"`{source}` in `{spot.root}` of task `{spot.site.id}` goes to a shell as it is: "
        f"what `{foreign[0]}` holds could be commands",
        spot.path,
        f"write `{{{{ {source} | quote }}}}`" if not _needs_brackets(source) else
        f"write `{{{{ ({source}) | quote }}}}`",
        place=exam.place((*spot.path, *found.keys), found.offset),
    )  # fmt: skip


def _needs_brackets(source: str) -> bool:
    return " " in source and "|" not in source


def result_of(reader: Reader, spot: Spot, found: Found) -> Shape:
    """Return the shape of what the expression `found` gives at `spot`."""
    try:
        return infer(found.expression.tree, lambda keys: reader.shape(spot, keys) or ANY)
    except ExpressionError:
        return ANY
