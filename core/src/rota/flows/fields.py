"""Finds which keys a model of the language takes at a given path of an error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

from pydantic import BaseModel

_OPEN = {"TaskStep": "<task>", "PluginTrigger": "<plugin>"}


def keys_at(model: type[BaseModel], loc: tuple[str | int, ...]) -> set[str]:
    """Return the keys of what is at `loc`, as pydantic gives it for an error in a value of `model`."""
    models = {model}
    for part in loc:
        if isinstance(part, int):
            continue
        inner = {one for known in models for one in _below(known, part)}
        named = {one for one in models if part in (one.__name__, _tag(one))}
        models = inner or named or models
    return {field.alias or name for one in models for name, field in one.model_fields.items()}


def _below(model: type[BaseModel], key: str) -> Iterator[type[BaseModel]]:
    for name, field in model.model_fields.items():
        if key == (field.alias or name):
            # The model's own annotation may still name what is defined after it.
            yield from _models(get_type_hints(model, include_extras=True)[name])


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


def _tag(model: type[BaseModel]) -> str | None:
    field = model.model_fields.get("type")
    names = get_args(field.annotation) if field is not None else ()
    return f"<{names[0]}>" if names else _OPEN.get(model.__name__)
