"""What a class says about its fields as they are written, before their expressions are rendered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from rota.flows.inputs import is_templated
from rota.flows.places import Path
from rota.flows.task_fields import field_rules
from rota.flows.templates import RawValue
from rota.flows.walk import located


def sure_errors(cls: type[BaseModel], given: Mapping[str, Any]) -> Iterator[tuple[Path, Any, Any]]:
    """Yield what is wrong with `given` whatever its expressions will give: where, what is there, pydantic's error."""
    rules = field_rules(cls)
    data = {name: _as_given(value, expression=name in rules.expressions) for name, value in given.items()}
    for error in errors_of(cls, data, may_raise=any(is_templated(value) for value in given.values())):
        path, value = located(given, error["loc"])
        raw = bool(path) and path[0] in rules.raw
        if raw or not _depends(value, error, given):
            yield path, value, error


def errors_of(cls: type[BaseModel], data: Mapping[str, Any], *, may_raise: bool) -> list[Any]:
    """Return what `cls` says about `data`, as pydantic's errors.

    A validator that meets an expression `may_raise` anything, which then counts for nothing.
    """
    try:
        cls.model_validate(data)
    except ValidationError as error:
        return list(error.errors(include_url=False, include_input=False))
    except Exception as error:  # noqa: BLE001 - validators are code of plugins
        if may_raise:
            return []
        return [{"type": "value_error", "loc": (), "msg": f"{type(error).__name__}: {error}"}]
    return []


def _as_given(value: Any, *, expression: bool = False) -> Any:
    if isinstance(value, RawValue):
        return _as_given(value.value)
    if isinstance(value, dict):
        return {key: _as_given(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_given(item, expression=expression) for item in value]
    return {"source": str(value), "value": None} if expression else value


def _depends(value: Any, error: Any, given: Mapping[str, Any]) -> bool:
    """Say whether the error may be gone once the expressions in `value` are rendered."""
    if not error["loc"]:
        return any(is_templated(one) for one in given.values())
    if isinstance(value, str):
        return is_templated(value)
    return is_templated(value) and not str(error["type"]).endswith(("_type", "extra_forbidden"))
