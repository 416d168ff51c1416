"""Finds secrets that are written in a flow instead of being kept in a secret backend."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Secret, SecretBytes, SecretStr, TypeAdapter, ValidationError

from rota.flows.inputs import is_templated
from rota.flows.places import Path

_SECRETS = (SecretStr, SecretBytes, Secret)


def written_secrets(cls: type[BaseModel], given: Mapping[str, Any]) -> Iterator[Path]:
    """Yield where in `given` text is written that `cls` takes as a secret, also in the models within it.

    The type itself says so: a field that is `SecretStr | str` keeps text as text, unless its validator knows better, as
    of a connection string with a password in it.
    """
    for field, info in cls.model_fields.items():
        name = info.alias or field
        value = given.get(name)
        if isinstance(value, str):
            if value and not is_templated(value) and _is_taken_as_secret(cls, field, value):
                yield (name,)
        elif isinstance(value, (dict, list)):
            for model in _models(info.annotation):
                yield from ((name, *path) for path in _in_models(model, value))


def _in_models(model: type[BaseModel], value: dict[str, Any] | list[Any]) -> Iterator[Path]:
    """Yield what is found where `value` is a model, or holds some."""
    if isinstance(value, dict):
        yield from written_secrets(model, value)
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        if isinstance(item, dict):
            yield from ((key, *path) for path in written_secrets(model, item))


def _is_taken_as_secret(cls: type[BaseModel], field: str, value: str) -> bool:
    adapter = _adapter(cls, field)
    try:
        return adapter is not None and isinstance(adapter.validate_python(value), _SECRETS)
    except ValidationError:
        return False  # it is reported as what it is


@lru_cache(maxsize=1024)
def _adapter(cls: type[BaseModel], field: str) -> TypeAdapter[Any] | None:
    info = cls.model_fields[field]
    if not any(isinstance(kind, type) and issubclass(kind, _SECRETS) for kind in _parts(info.annotation)):
        return None
    annotation: Any = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
    return TypeAdapter(annotation, config=ConfigDict(arbitrary_types_allowed=True))


def _models(annotation: Any) -> tuple[type[BaseModel], ...]:
    return tuple(kind for kind in _parts(annotation) if isinstance(kind, type) and issubclass(kind, BaseModel))


def _parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in get_args(annotation):
        yield from _parts(part)
