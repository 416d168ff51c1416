"""What is known of a value before a run: its type, its fields, whether it is secret."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from rota.flows.templates import RawValue

_DEEPEST = 12
_WORDS = {
    "string": "text", "integer": "a whole number", "number": "a number", "boolean": "a boolean", "array": "a list",
    "object": "a mapping", "null": "null", "date": "a date", "duration": "a duration",
}  # fmt: skip
_KINDS: dict[type, str] = {
    bool: "boolean", int: "integer", float: "number", str: "string", list: "array", tuple: "array", dict: "object",
    type(None): "null",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known of a value.

    `kind` is a type of JSON, `date`, `duration`, `any`, or `union` of `options`. `fields` are those of an object,
    `rest` the shape of fields that are not told (None: there are none); `item` is that of a list's items.
    `values` are all that it can be, where that is known.
    """

    kind: str = "any"
    fields: Mapping[str, Shape] | None = None
    rest: Shape | None = None
    item: Shape | None = None
    secret: bool = False
    values: tuple[Any, ...] | None = None
    options: tuple[Shape, ...] = ()

    @property
    def kinds(self) -> frozenset[str]:
        """The types that it can have; empty when it may be anything."""
        if self.kind == "union":
            each = [option.kinds for option in self.options]
            return frozenset().union(*each) if all(each) else frozenset()
        return frozenset() if self.kind == "any" else frozenset({self.kind})

    @property
    def words(self) -> str:
        """What it is, for people."""
        return " or ".join(dict.fromkeys(_WORDS.get(kind, kind) for kind in sorted(self.kinds))) or "anything"

    def step(self, key: str | int | None) -> Shape | None:
        """Return the shape under `key` (None: a key that only a run can tell), or None where there is none."""
        if self.kind == "union":
            found = [shape for option in self.options if (shape := option.step(key)) is not None]
            return union(found) if found else None
        if self.kind in ("any", "date", "duration"):
            return Shape(secret=self.secret)
        if self.kind == "array":
            return (self.item or ANY) if not isinstance(key, str) else None
        if self.kind == "string" and not isinstance(key, str):
            return Shape("string", secret=self.secret)
        if self.kind != "object":
            return None
        if key is None:
            return ANY
        found_field = (self.fields or {}).get(str(key))
        return self.rest if found_field is None else found_field

    def names(self) -> list[str]:
        """Return the fields that are known."""
        if self.kind == "union":
            return [name for option in self.options for name in option.names()]
        return list(self.fields or ())

    @property
    def has_secret(self) -> bool:
        """Whether it is a secret, or one of its fields certainly is."""
        return self.secret or any(option.has_secret for option in self.options)


ANY = Shape()
TEXT, INTEGER, NUMBER, BOOLEAN, NULL = (Shape(kind) for kind in ("string", "integer", "number", "boolean", "null"))
DATE, DURATION = Shape("date"), Shape("duration")
LIST = Shape("array")


def mapping(fields: Mapping[str, Shape], rest: Shape | None = None) -> Shape:
    """Return the shape of a mapping with `fields`, and further ones of the shape `rest`."""
    return Shape("object", fields=fields, rest=rest)


def union(shapes: Iterable[Shape]) -> Shape:
    """Return the shape of what is one of `shapes`."""
    flat: list[Shape] = []
    for shape in shapes:
        flat += shape.options if shape.kind == "union" else (shape,)
    if not flat or any(shape.kind == "any" for shape in flat):
        return Shape(secret=any(shape.secret for shape in flat))
    kept: list[Shape] = []
    for shape in flat:
        if shape not in kept:
            kept.append(shape)
    return kept[0] if len(kept) == 1 else Shape("union", options=tuple(kept))


ARTIFACT = mapping({"uri": TEXT, "name": TEXT, "size": INTEGER, "sha256": TEXT})


def shape_of_value(value: Any, depth: int = 0) -> Shape:
    """Return the shape of a value as written; what holds an expression may become anything."""
    if isinstance(value, RawValue):
        return shape_of_value(value.value, depth)
    if depth > _DEEPEST or (isinstance(value, str) and "{{" in value):
        return ANY
    if isinstance(value, dict):
        return mapping({str(key): shape_of_value(item, depth + 1) for key, item in value.items()})
    if isinstance(value, (list, tuple)):
        return Shape("array", item=union(shape_of_value(item, depth + 1) for item in value) if value else ANY)
    kind = _KINDS.get(type(value))
    return Shape(kind, values=(value,)) if kind else ANY


def shape_of_schema(schema: Any, defs: Mapping[str, Any] | None = None, depth: int = 0) -> Shape:
    """Return the shape that a JSON Schema (as pydantic writes it) tells of."""
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return ANY
    defs = schema.get("$defs", {}) if defs is None else defs
    if "$ref" in schema:
        return shape_of_schema(defs.get(str(schema["$ref"]).rsplit("/", 1)[-1]), defs, depth + 1)
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return union(shape_of_schema(option, defs, depth + 1) for option in schema[key])
    if len(schema.get("allOf", ())) == 1:
        return shape_of_schema(schema["allOf"][0], defs, depth + 1)
    if "const" in schema or "enum" in schema:
        values = schema.get("enum") or [schema.get("const")]
        return union(Shape(_KINDS.get(type(value), "any"), values=tuple(values)) for value in values[:1])
    return _typed(schema, defs, depth)


def _typed(schema: Mapping[str, Any], defs: Mapping[str, Any], depth: int) -> Shape:
    kind = schema.get("type")
    if isinstance(kind, list):
        return union(_typed({**schema, "type": one}, defs, depth) for one in kind)
    if schema.get("writeOnly") or schema.get("format") == "password":
        return Shape("string", secret=True)
    if kind == "object":
        return _object(schema, defs, depth)
    if kind == "array":
        return Shape("array", item=shape_of_schema(schema.get("items"), defs, depth + 1))
    if schema.get("format") == "duration":
        return ANY
    return Shape(kind) if kind in _WORDS else ANY


def _object(schema: Mapping[str, Any], defs: Mapping[str, Any], depth: int) -> Shape:
    further = schema.get("additionalProperties", "properties" not in schema)
    fields = {name: shape_of_schema(one, defs, depth + 1) for name, one in schema.get("properties", {}).items()}
    if further is False:
        return mapping(fields)
    return mapping(fields, ANY if further is True else shape_of_schema(further, defs, depth + 1))
