"""What an extension says about itself, as data: for `rota plugins show`, the schema and the docs."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel, SecretStr, TypeAdapter
from pydantic.fields import FieldInfo

from rota.extensions import Evaluated, Expression, Extension, Raw, Shell, Task
from rota.flows.docstrings import documented
from rota.flows.durations import format_duration
from rota.flows.type_text import type_text

UNKNOWN: Any = inspect.Signature.empty
"""The output type of a `run` without a return annotation."""


@dataclass(frozen=True, slots=True)
class FieldDoc:
    """One field of an extension or of its output.

    `type` is for people (`text`, `list of integer`), `default` is written as in YAML and empty for a required
    field. `note` says how the text is read (`shell`, `raw`, `expression`). `fields` are those of a mapping.
    """

    name: str
    type: str
    required: bool
    default: str
    doc: str
    note: str = ""
    fields: tuple[FieldDoc, ...] = ()


@dataclass(frozen=True, slots=True)
class TypeInfo:
    """What there is to know about a type.

    `output` has the fields of the output, `output_type` says in a word what it is, `open_output` that it may
    have others too. `idempotent` is `yes`, `no` or `depends`. `example` is YAML.
    """

    name: str
    kind: str
    summary: str
    description: str
    fields: tuple[FieldDoc, ...]
    output_type: str
    output: tuple[FieldDoc, ...]
    open_output: bool
    example: str
    idempotent: str


def describe(cls: type[Extension], name: str, kind: str = "task type") -> TypeInfo:
    """Return what the docstrings and annotations of `cls` say; `name` is its name in flows."""
    summary, description, example = split_docstring(cls)
    output = output_type(cls)
    model = _model_of(output)
    return TypeInfo(
        name=name,
        kind=kind,
        summary=summary,
        description=description,
        fields=field_docs(cls),
        output_type="unknown" if output is UNKNOWN else type_text(output),
        output=field_docs(model) if model else _dataclass_docs(output),
        open_output=is_open(output),
        example=example,
        idempotent=_idempotent(cls),
    )


def split_docstring(cls: type[Extension]) -> tuple[str, str, str]:
    """Return summary, description and example of the class's own docstring; each may be empty."""
    text = inspect.cleandoc(cls.__doc__ or "") if cls.__dict__.get("__doc__") else ""
    text, _, example = text.partition("Example:\n")
    summary, _, description = text.strip().partition("\n\n")
    return " ".join(summary.split()), description.strip(), inspect.cleandoc(f"\n{example}") if example else ""


def field_docs(cls: type[BaseModel]) -> tuple[FieldDoc, ...]:
    """Return the fields of a model, by the names that a flow writes, the required ones first."""
    docs = [_field(info.alias or name, info) for name, info in documented(cls).model_fields.items()]
    return tuple(sorted(docs, key=lambda doc: not doc.required))


def output_type(cls: type[Extension]) -> Any:
    """Return the return annotation of `run`, or UNKNOWN where there is none or it does not resolve."""
    run = getattr(cls, "run", None)
    if run is None or not issubclass(cls, Task):
        return None
    try:
        return get_type_hints(run, include_extras=True).get("return", UNKNOWN)
    except (NameError, TypeError, AttributeError):
        return UNKNOWN


def output_schema(cls: type[Extension]) -> dict[str, Any]:
    """Return the JSON Schema of the output; `{}` (anything) where it is unknown.

    Raises pydantic's PydanticInvalidForJsonSchema for a type that has none.
    """
    output = output_type(cls)
    if (model := _model_of(output)) is not None:
        documented(model)
    return {} if output is UNKNOWN else TypeAdapter(output).json_schema(mode="serialization")


def is_open(output: Any) -> bool:
    """Return whether an output of this type may have names that the type does not tell."""
    if output is UNKNOWN or output is Any:
        return True
    model = _model_of(output)
    if model is not None:
        return model.model_config.get("extra") == "allow"
    return any(part in {dict, list, object} for part in (output, getattr(output, "__origin__", None)))


def _model_of(output: Any) -> type[BaseModel] | None:
    parts = [part for part in (output, *get_args(output)) if part is not type(None)]
    models = [part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)]
    return models[0] if len(models) == 1 and type_text(output).startswith(type_text(models[0])) else None


def _dataclass_docs(output: Any) -> tuple[FieldDoc, ...]:
    if not (isinstance(output, type) and hasattr(output, "__dataclass_fields__")):
        return ()
    hints = get_type_hints(output, include_extras=True)
    return tuple(FieldDoc(name, type_text(hints[name]), True, "", "") for name in output.__dataclass_fields__)


def _field(name: str, info: FieldInfo) -> FieldDoc:
    inner = list(_models(info.annotation))
    return FieldDoc(
        name=name,
        type=type_text(info.annotation, info.metadata),
        required=info.is_required(),
        default="" if info.is_required() else _yaml(info.get_default(call_default_factory=True, validated_data={})),
        doc=" ".join((info.description or "").split()),
        note=_note(info),
        fields=field_docs(inner[0]) if len(inner) == 1 else (),
    )


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation is not Evaluated:
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _note(info: FieldInfo) -> str:
    notes = {Raw: "raw: never rendered", Shell: "shell text: use `quote`", Expression: "expression: braces optional"}
    return next((text for mark in info.metadata for kind, text in notes.items() if isinstance(mark, kind)), "")


def _yaml(value: Any) -> str:
    """Return a default as YAML in one line."""
    from datetime import timedelta

    import yaml

    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, SecretStr):
        return "***"
    plain = TypeAdapter(Any).dump_python(value, mode="json")
    text: str = yaml.safe_dump(plain, default_flow_style=True, width=1000, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


def _idempotent(cls: type[Extension]) -> str:
    if not issubclass(cls, Task):
        return ""
    value = inspect.getattr_static(cls, "idempotent")
    return ("yes" if value else "no") if isinstance(value, bool) else "depends"
