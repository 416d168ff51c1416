"""JSON Schemas of the fields of extensions as a flow writes them: templates stand wherever a value does."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.errors import PydanticUserError
from pydantic.json_schema import GenerateJsonSchema

from rota.flows.docstrings import documented
from rota.flows.task_fields import field_rules

Schema = dict[str, Any]

TEMPLATE: Schema = {
    "type": "string",
    "pattern": r"\{\{",
    "description": "an expression: `{{ … }}`",
}
_NOTES = frozenset({"title", "description", "default", "examples", "deprecated"})
_FREE_TEXT = frozenset({"type", "format", "writeOnly"})


class _Generator(GenerateJsonSchema):
    """Gives `{}`, anything, for a type that has no JSON Schema."""

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> Schema:
        return {}

    def emit_warning(self, kind: Any, detail: str) -> None:
        """Say nothing: a default without JSON is left out."""


def fields_schema(cls: type[BaseModel], name: str, definitions: Schema) -> Schema:
    """Return `properties` and `required` of what a flow writes for `cls`.

    The definitions that it needs are added to `definitions`, their names after `name` and a colon.
    """
    try:
        own = documented(cls).model_json_schema(
            by_alias=True, ref_template=f"#/$defs/{name}:{{model}}", schema_generator=_Generator, mode="validation"
        )
    except (PydanticUserError, TypeError, ValueError):
        own = {}
    rules = field_rules(cls)
    for inner, schema in own.get("$defs", {}).items():
        definitions[f"{name}:{inner}"] = _parts(schema)
    known = own.get("properties", {})
    fields = {info.alias or field: info for field, info in cls.model_fields.items()}
    required = [field for field, info in fields.items() if info.is_required()]
    properties = {
        field: known.get(field, {}) if field in rules.raw else with_templates(known.get(field, {})) for field in fields
    }
    for field in required:
        text = properties[field].get("description", "")
        properties[field] = {**properties[field], "description": f"{text}\n\nRequired.".strip()}
    return {"properties": properties, "required": required}


def with_templates(schema: Schema) -> Schema:
    """Return a schema that takes what `schema` takes, and an expression in place of it or of any part of it."""
    if _takes_any_text(schema):
        return {key: value for key, value in schema.items() if key not in ("format", "writeOnly")}
    notes = {key: value for key, value in schema.items() if key in _NOTES}
    inner = _parts({key: value for key, value in schema.items() if key not in _NOTES})
    if "anyOf" in inner and len(inner) == 1:
        options = [option for option in inner["anyOf"] if option != TEMPLATE]
        if any(_takes_any_text(option) for option in options):
            return {**notes, "anyOf": options}
        return {**notes, "anyOf": [*options, TEMPLATE]}
    return {**notes, "anyOf": [inner, TEMPLATE]}


def _takes_any_text(schema: Schema) -> bool:
    if not schema.keys() - _NOTES:
        return True
    kinds = schema.get("type")
    is_text = kinds == "string" or (isinstance(kinds, list) and "string" in kinds)
    return is_text and not schema.keys() - _NOTES - _FREE_TEXT


def _parts(schema: Schema) -> Schema:
    """Return `schema` with expressions allowed in its parts."""
    found = dict(schema)
    if "properties" in found:
        found["properties"] = {name: with_templates(one) for name, one in found["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(found.get(key), dict):
            found[key] = with_templates(found[key])
    if "prefixItems" in found:
        found["prefixItems"] = [with_templates(one) for one in found["prefixItems"]]
    for key in ("anyOf", "oneOf"):
        if key in found:
            found["anyOf"] = [_parts(one) for one in found.pop(key)]
    found.pop("discriminator", None)
    return found
