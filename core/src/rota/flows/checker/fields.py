"""Checks the fields of tasks and triggers against the classes of their types."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pydantic import BaseModel

from rota.errors import ExpressionError
from rota.flows.checker.examination import Examination
from rota.flows.checker.shapes import ANY, Shape
from rota.flows.checker.written_secrets import written_secrets
from rota.flows.phrases import hint_for, phrase, said
from rota.flows.places import Path
from rota.flows.similar import did_you_mean, listed
from rota.flows.templates import compile_value
from rota.flows.unrendered import errors_of, sure_errors
from rota.flows.walk import deepest, dotted

_SAMPLES: dict[str, tuple[Any, ...]] = {
    "integer": (1,), "number": (1.5,), "boolean": (True, False), "array": ([],), "object": ({},), "string": ("x",),
}  # fmt: skip
_MOST_SAMPLES = 20


@dataclass(frozen=True, slots=True)
class Owner:
    """A task or trigger with fields of a type: where it stands, and how it is called."""

    path: Path
    id: str
    type: str
    kind: str = "task"

    def __str__(self) -> str:
        return f"{self.kind} `{self.id}`"


def check_fields(
    exam: Examination, owner: Owner, cls: type[BaseModel], given: Mapping[str, Any], shapes: Mapping[str, Shape]
) -> None:
    """Report unknown and missing fields, and values that `cls` does not take.

    `shapes` are those of fields that are nothing but one expression.
    """
    known = [info.alias or name for name, info in cls.model_fields.items()]
    for name in given:
        if name not in known:
            _unknown(exam, owner, name, known)
    required = [info.alias or name for name, info in cls.model_fields.items() if info.is_required()]
    missing = [name for name in required if name not in given]
    if missing:
        message = f"{owner} of type `{owner.type}` has no {listed(missing)}"
        exam.report("missing-field", message, (*owner.path, "type"), f"add `{missing[0]}: …`")
    ours = {name: value for name, value in given.items() if name in known}
    _written_secrets(exam, owner, cls, ours)
    _check_values(exam, owner, cls, ours)
    for name, shape in shapes.items():
        if name in ours:
            _check_shape(exam, owner, cls, ours, name, shape)


def _unknown(exam: Examination, owner: Owner, name: str, known: list[str]) -> None:
    path = (*owner.path, name)
    hint = did_you_mean(name, known, what="its fields are")
    source = exam.loaded.places.source(path)
    if source[:1] == ("defaults",):
        hint = f"`defaults` for `{source[1]}` give it; say it for the types that have it"
    message = f"{owner} of type `{owner.type}` has no field `{name}`"
    exam.report("unknown-field", message, path, hint, key=True)


def _written_secrets(exam: Examination, owner: Owner, cls: type[BaseModel], given: Mapping[str, Any]) -> None:
    for path in written_secrets(cls, given):
        message = f"`{dotted(path)}` of {owner} is a secret, and it is written in the flow"
        hint = "keep it in a secret backend: `\"{{ secret('path#field') }}\"`"
        exam.report("secret-in-flow", message, (*owner.path, *path), hint)


def _check_values(exam: Examination, owner: Owner, cls: type[BaseModel], given: Mapping[str, Any]) -> None:
    groups: dict[Path, list[Any]] = {}
    for path, value, error in sure_errors(cls, given):
        if error["type"] != "missing" or len(error["loc"]) > 1:
            groups.setdefault(path, []).append((error, value))
    for path in deepest(groups):
        _report_value(exam, owner, path, [error for error, _ in groups[path]], groups[path][0][1])


def _report_value(exam: Examination, owner: Owner, path: Path, errors: list[Any], value: Any) -> None:
    name = f"`{dotted(path)}` of {owner}" if path else str(owner)
    first = errors[0]
    place = (*owner.path, *path) if path else (*owner.path, "type")
    if first["type"] == "extra_forbidden":
        exam.report("unknown-field", f"{owner} has no `{dotted(path)}`", place, key=True)
    elif first["type"] == "missing":
        exam.report("missing-field", f"{name} has no `{first['loc'][-1]}`", place)
    elif first["type"] in ("value_error", "assertion_error"):
        text, _, hint = said(first).partition("; ")
        exam.report("invalid-value", f"{name}: {text}", place, hint)
    else:
        wanted = phrase(errors)
        shown = f", not `{value}`" if isinstance(value, (str, int, float)) and len(str(value)) < 60 else ""
        wrong_type = all(str(error["type"]).endswith("_type") for error in errors)
        code = "wrong-type" if wrong_type else "invalid-value"
        exam.report(code, f"{name} must be {wanted}{shown}", place, hint_for(value, wanted))


def _check_shape(
    exam: Examination, owner: Owner, cls: type[BaseModel], given: Mapping[str, Any], name: str, shape: Shape
) -> None:
    """Report an expression that gives what the field never takes, whatever the value is."""
    samples = list(islice(_samples(shape), _MOST_SAMPLES))
    if not samples:
        return
    worst: list[Any] = []
    for sample in samples:
        errors = [error for error in errors_of(cls, {name: sample}, may_raise=True) if error["loc"][:1] == (name,)]
        if shape.values is None:
            errors = errors if all(str(error["type"]).endswith("_type") for error in errors) else []
        if not errors:
            return
        worst = worst or errors
    place = exam.place((*owner.path, name), max(str(given[name]).find("{{"), 0))
    message = f"`{name}` of {owner} must be {phrase(worst)}, and `{given[name]}` gives {_gives(shape)}"
    exam.report("wrong-type", message, (*owner.path, name), _converted(phrase(worst), shape), place=place)


def _samples(shape: Shape) -> Iterator[Any]:
    if shape.values is not None:
        yield from shape.values
    elif shape.kind == "union":
        for option in shape.options:
            found = list(_samples(option))
            if not found and option.kind != "null":
                yield ANY  # anything fits where an option is not known
            yield from found
    else:
        yield from _SAMPLES.get(shape.kind, ())


def _gives(shape: Shape) -> str:
    return listed(map(str, shape.values), last="or") if shape.values is not None else shape.words


def _converted(wanted: str, shape: Shape) -> str:
    if wanted.startswith("text") and shape.kinds <= {"integer", "number", "boolean"}:
        return "make it text: put something around the braces, or `| string`"
    return ""


def whole_expression(value: Any) -> Any:
    """Return the compiled value of a field that is one expression and nothing else, or None."""
    if not isinstance(value, str) or "{{" not in value:
        return None
    try:
        found = compile_value(value).expressions
    except ExpressionError:
        return None
    return found[0] if len(found) == 1 and found[0].whole else None
