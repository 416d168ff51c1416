"""The contract that every extension must pass: it is documented, its example works, it shows no secret."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel, PydanticUserError, SecretBytes, SecretStr, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema

from rota.errors import FlowError, RotaError
from rota.extensions import ArtifactStore, Executor, Extension, Service, Task, Trigger
from rota.flows.checker.written_secrets import written_secrets
from rota.flows.describe import UNKNOWN, output_schema, output_type, split_docstring
from rota.flows.docstrings import documented
from rota.flows.document import parse_document
from rota.flows.task_fields import compile_field, typed_values
from rota.flows.walk import dotted
from rota.registration import KINDS, Kind, snake_case, written_names

_SECRET_WORDS = ("password", "passwd", "passphrase", "secret", "token", "private_key", "api_key", "credential")


def check_extension(cls: type[Extension]) -> None:
    """Raise AssertionError with everything about `cls` that does not hold.

    It has a docstring whose `Example:` parses and validates; its fields, and those of its output, are
    documented; input and output have a JSON Schema; no field has a name of the language; a secret is never
    in its `repr`, nor written in its example; `idempotent` is a boolean or a property.
    """
    found = list(problems_of(cls))
    if found:
        raise AssertionError(f"`{cls.__qualname__}` breaks the contract:\n" + "\n".join(f"- {line}" for line in found))


def problems_of(cls: type[Extension]) -> Iterator[str]:
    """Yield a sentence for each thing about `cls` that does not hold."""
    kind = next((kind for kind in KINDS.values() if issubclass(cls, kind.parent)), None)
    if kind is None:
        yield "it extends none of the classes that `rota` offers"
        return
    if inspect.isabstract(cls):
        yield f"it does not define {', '.join(f'`{name}`' for name in sorted(cls.__abstractmethods__))}"
        return
    yield from _documentation(cls)
    yield from _model(cls, kind)
    yield from _secrets(cls)
    if issubclass(cls, Task):
        yield from _task(cls)
    schema_problems = list(_schemas(cls))
    yield from schema_problems
    if not schema_problems:
        yield from _example(cls, kind)


def _documentation(cls: type[Extension]) -> Iterator[str]:
    summary, _, example = split_docstring(cls)
    if not summary:
        yield "it has no docstring"
    if not example:
        yield "its docstring has no `Example:`"
    yield from _undocumented(cls, "")


def _undocumented(model: type[BaseModel], where: str) -> Iterator[str]:
    for name, info in documented(model).model_fields.items():
        if not (info.description or "").strip():
            yield f"the field `{where}{name}` is not documented: write a docstring below it"


def _model(cls: type[Extension], kind: Kind) -> Iterator[str]:
    for name in sorted((set(written_names(cls)) | set(cls.model_fields)) & kind.reserved):
        yield f"the field `{name}` is a key of the language"
    if cls.model_config.get("extra") != "forbid":
        yield 'it takes unknown fields: leave `extra="forbid"`'
    if not cls.model_config.get("frozen"):
        yield "it can be changed: leave `frozen=True`"


def _secrets(cls: type[Extension]) -> Iterator[str]:
    for name, info in cls.model_fields.items():
        named = any(word in name.lower() for word in _SECRET_WORDS)
        if named and info.repr and _holds_text(info.annotation):
            yield f"the field `{name}` would show a secret in `repr`: make it a `SecretStr`"


def _holds_text(annotation: Any) -> bool:
    if annotation in {SecretStr, SecretBytes}:
        return False
    return annotation in {str, bytes, Any} or any(_holds_text(argument) for argument in get_args(annotation))


def _task(cls: type[Task]) -> Iterator[str]:
    value = inspect.getattr_static(cls, "idempotent")
    if not isinstance(value, (bool, property)):
        yield f"`idempotent` is neither a boolean nor a property but {type(value).__name__}"
    output = output_type(cls)
    if output is UNKNOWN:
        yield "`run` has no return annotation, or one that does not resolve: it is the schema of the output"
    models = [part for part in (output, *get_args(output)) if isinstance(part, type) and issubclass(part, BaseModel)]
    for model in models:
        yield from _undocumented(model, f"{model.__name__}.")


def _schemas(cls: type[Extension]) -> Iterator[str]:
    try:
        cls.model_json_schema()
    except (PydanticInvalidForJsonSchema, PydanticUserError) as error:
        yield f"its fields have no JSON Schema: {_first_line(error)}"
    try:
        output_schema(cls)
    except (PydanticInvalidForJsonSchema, PydanticUserError) as error:
        yield f"its output has no JSON Schema: {_first_line(error)}"


def _example(cls: type[Extension], kind: Kind) -> Iterator[str]:
    _, _, example = split_docstring(cls)
    if not example:
        return
    try:
        data = parse_document(example, "example").data
    except FlowError as error:
        yield f"its example is not YAML: {error.findings[0].message}"
        return
    own = [item for item in _items(data) if _is_of(cls, item)]
    if not own:
        yield f"its example has no `type: …{_own_name(cls)}`"
    for item in own:
        fields = {name: value for name, value in item.items() if name not in kind.reserved | {"type"}}
        yield from _validated(cls, fields)
        if issubclass(cls, (Task, Trigger)):
            for path in written_secrets(cls, fields):
                yield f"its example has a secret in it: `{dotted(path)}`; `rota check` would warn of that"


def _items(data: Any) -> Iterator[dict[str, Any]]:
    """Yield the mappings of a list, or the one that is a section of `rota.yaml`, or a single one."""
    if isinstance(data, list):
        yield from (item for item in data if isinstance(item, dict))
    elif isinstance(data, dict):
        inner = [value for value in data.values() if isinstance(value, dict)]
        yield inner[0] if len(data) == 1 and inner else data


def _own_name(cls: type[Extension]) -> str:
    return cls.__dict__.get("type_name") or snake_case(cls.__name__)


def _is_of(cls: type[Extension], item: dict[str, Any]) -> bool:
    if issubclass(cls, (Service, Executor)) or (issubclass(cls, ArtifactStore) and "type" not in item):
        return True
    name, own = str(item.get("type", "")), _own_name(cls)
    return name == own or name.endswith(f".{own}")


def _validated(cls: type[Extension], fields: dict[str, Any]) -> Iterator[str]:
    """Validate what is literal in the example; what an expression gives only a run can tell."""
    try:
        compiled = {name: compile_field(cls, name, value) for name, value in fields.items()}
        for found in (one for value in compiled.values() for one in value.expressions):
            _ = found.expression.uses  # it is parsed when it is first asked for anything
    except RotaError as error:
        yield f"its example has a wrong expression: {error.message}"
        return
    literal = {name: value.render({}) for name, value in compiled.items() if value.is_literal}
    try:
        instance = cls.model_validate(typed_values(cls, literal))
    except ValidationError as error:
        open_fields = compiled.keys() - literal.keys()
        for fault in error.errors():
            # A fault of the whole may come from what only a run can tell.
            if (fault["loc"] or not open_fields) and fault["loc"][:1] not in {(name,) for name in open_fields}:
                place = ".".join(str(part) for part in fault["loc"])
                yield f"its example does not validate: `{place}`: {fault['msg']}"
        return
    except Exception as error:  # noqa: BLE001 - a validator of the plugin may raise anything
        yield f"its example makes a validator raise {type(error).__name__}: {error}"
        return
    if issubclass(cls, Task) and not isinstance(getattr(instance, "idempotent", None), bool):
        yield "`idempotent` of its example is no boolean"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
