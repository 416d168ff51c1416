"""Makes the inputs of an execution from what somebody gave: all faults are told at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any

from rota.errors import InputError, UsageError
from rota.flows.input_values import plain
from rota.flows.inputs import FileInput, InputKeys
from rota.flows.similar import did_you_mean

MAX_FILE = 4 << 20
"""The largest file that `-i name=@file` reads as text, in bytes."""

Render = Callable[[Any, Mapping[str, Any]], Any]
"""Renders a default, with the inputs before it."""


@dataclass(frozen=True, slots=True)
class Typed:
    """Text that a person typed for an input, or the file that `@` named."""

    text: str = field(repr=False)
    file: Path | None = None


def from_command_line(assignments: Iterable[str]) -> dict[str, Typed]:
    """Return what `name=text` and `name=@file` arguments give; `name=@@x` is the text `@x`.

    Raises UsageError for one that is neither, or that names an input twice.
    """
    given: dict[str, Typed] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        name = name.strip()
        if not equals or not name:
            raise UsageError("an input is given as `name=value`", hint="or `name=@file` to read it from a file")
        if name in given:
            raise UsageError(f"the input `{name}` is given twice", hint="give a list as `name=a,b`")
        if text.startswith("@@"):
            given[name] = Typed(text[1:])
        else:
            given[name] = Typed("", Path(text[1:])) if text.startswith("@") else Typed(text)
    return given


def missing_inputs(inputs: Sequence[InputKeys], given: Mapping[str, Any]) -> list[InputKeys]:
    """Return the inputs that must be given and are not: what to ask a person for."""
    return [spec for spec in inputs if spec.id not in given and not spec.has_default]


def parse_inputs(
    inputs: Sequence[InputKeys],
    given: Mapping[str, Any],
    *,
    timezone: tzinfo = UTC,
    render: Render | None = None,
) -> dict[str, Any]:
    """Return the typed value of each input, in the flow's order.

    `given` holds JSON values, typed values, or `Typed` text. Defaults that are expressions go through
    `render(default, inputs so far)`; without it they are left out of what is returned. Raises
    InputError with every fault: unknown names, missing inputs, wrong values.
    """
    known = {spec.id: spec for spec in inputs}
    problems = {
        name: _join("the flow has no such input", did_you_mean(name, known, what="it has"))
        for name in given
        if name not in known
    }
    parsed: dict[str, Any] = {}
    for spec in inputs:
        try:
            if spec.id in given:
                parsed[spec.id] = _parse(spec, given[spec.id], timezone)
            elif not spec.has_default:
                problems[spec.id] = _join("is missing", f"it is {_described(spec)}")
            elif not spec.is_templated:
                parsed[spec.id] = spec.parse(plain(spec.default), timezone)
            elif render is not None and not problems:
                parsed[spec.id] = spec.parse(render(spec.default, parsed), timezone)
        except ValueError as error:
            problems[spec.id] = str(error)
    if problems:
        raise InputError(problems)
    return parsed


def _parse(spec: InputKeys, value: Any, timezone: tzinfo) -> Any:
    if not isinstance(value, Typed):
        return spec.parse(value, timezone)
    if isinstance(spec, FileInput):
        return spec.parse_text(str(value.file or value.text), timezone)
    return spec.parse_text(value.text if value.file is None else _read(value.file), timezone)


def _read(path: Path) -> str:
    """Return the text of a file; the newline at its end is the file's and not the value's."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise ValueError(f"cannot be read from `{path}`: {(error.strerror or 'input error').lower()}") from None
    if len(data) > MAX_FILE:
        raise ValueError(f"cannot be read from `{path}`: it is larger than {MAX_FILE >> 20} MiB")
    try:
        return data.decode("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise ValueError(f"cannot be read from `{path}`: it is not UTF-8 text") from None


def _described(spec: InputKeys) -> str:
    article = "an" if spec.type[0] in "aeiou" else "a"
    return f"{article} `{spec.type}`" + (f", {spec.description}" if spec.description else "")


def _join(message: str, hint: str) -> str:
    return f"{message}; {hint}" if hint else message
