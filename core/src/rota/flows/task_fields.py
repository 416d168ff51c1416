"""What a task type says about its fields: which are raw, expressions or shell text, and which may hold secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, get_args

from pydantic import BaseModel, Secret, SecretBytes, SecretStr
from pydantic.fields import FieldInfo

from rota.extensions import Expression, Raw, Shell
from rota.flows.templates import RawValue, Value, compile_value, reveal

_SECRET_TYPES = (SecretStr, SecretBytes, Secret)


@dataclass(frozen=True, slots=True)
class FieldRules:
    """The fields of a class, by the names that a flow writes, that are not simply rendered.

    `raw` is never rendered; `expressions` are expressions, braces optional; `shell` is shell text; a secret
    stays wrapped in what `secret` names, since its type is `SecretStr` or anything at all.
    """

    raw: frozenset[str]
    expressions: frozenset[str]
    shell: frozenset[str]
    secret: frozenset[str]


@lru_cache(maxsize=1024)
def field_rules(cls: type[BaseModel]) -> FieldRules:
    """Return the rules of `cls`."""
    parts = {info.alias or name: list(_parts(info)) for name, info in cls.model_fields.items()}

    def having(*kinds: type) -> frozenset[str]:
        return frozenset(name for name, found in parts.items() if any(_is_a(part, kinds) for part in found))

    anything = frozenset(name for name, found in parts.items() if any(part is Any for part in found))
    return FieldRules(having(Raw), having(Expression), having(Shell), having(*_SECRET_TYPES) | anything)


def compile_field(cls: type[BaseModel], name: str, value: Any) -> Value:
    """Return the compiled `value` of the field `name`, as `compile_value` does. Raises ExpressionError."""
    rules = field_rules(cls)
    if name in rules.expressions:
        value = _evaluated(value)
    return compile_value(value, raw=name in rules.raw)


def typed_values(cls: type[BaseModel], rendered: Mapping[str, Any]) -> dict[str, Any]:
    """Return rendered values as the fields take them: out of its wrapping where the type has no place for a secret."""
    keep = field_rules(cls).secret
    return {name: value if name in keep else reveal(value) for name, value in rendered.items()}


def _parts(info: FieldInfo) -> Iterator[Any]:
    yield from info.metadata
    yield from _inner(info.annotation)


def _inner(annotation: Any) -> Iterator[Any]:
    yield annotation
    yield from getattr(annotation, "__metadata__", ())
    for argument in get_args(annotation):
        yield from _inner(argument)


def _is_a(part: Any, kinds: tuple[type, ...]) -> bool:
    return isinstance(part, kinds) or (isinstance(part, type) and issubclass(part, kinds))


def _evaluated(value: Any) -> Any:
    """Return `value` so that each text in it becomes `Evaluated`: its source beside what it gives."""
    if isinstance(value, (list, tuple)):
        return [_evaluated(item) for item in value]
    if isinstance(value, str):
        expression = value if value.strip().startswith("{{") else f"{{{{ {value} }}}}"
        return {"source": RawValue(value), "value": expression}
    return {"source": RawValue(str(value).lower() if isinstance(value, bool) else str(value)), "value": value}
