"""Python's types in the words of people who write YAML: `list[str]` is `list of text`."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretBytes, SecretStr

from rota.context import Artifact
from rota.extensions import Evaluated
from rota.flows.durations import format_duration

_NAMES: dict[Any, str] = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "boolean",
    bytes: "bytes",
    timedelta: "duration",
    datetime: "date and time",
    date: "date",
    time: "time of day",
    Path: "path",
    SecretStr: "secret",
    SecretBytes: "secret",
    Artifact: "artifact",
    Evaluated: "expression",
    type(None): "nothing",
    None: "nothing",
    Any: "anything",
    object: "anything",
    dict: "mapping",
    list: "list",
}
_LISTS = (list, tuple, set, frozenset, Sequence, Iterable)
_BOUNDS = (("ge", "at least {}"), ("gt", "more than {}"), ("le", "at most {}"), ("lt", "less than {}"))


def type_text(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """Return `annotation` in words; `metadata` holds its constraints, as in a field of pydantic."""
    bounds = [
        text.format(_limit(value))
        for part in metadata
        for name, text in _BOUNDS
        if (value := getattr(part, name, None)) is not None
    ]
    return ", ".join([_text(annotation), *bounds])


def _limit(value: Any) -> str:
    if isinstance(value, timedelta):
        return format_duration(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _text(annotation: Any) -> str:
    if isinstance(annotation, type | types.NoneType) or annotation is Any:
        if name := _NAMES.get(annotation):
            return name
        return _class_text(annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_text(arguments[0], arguments[1:])
    if origin is Literal:
        return _alternatives(f"`{argument}`" for argument in arguments)
    if origin in {Union, types.UnionType}:
        return _alternatives(_text(argument) for argument in arguments if argument is not type(None))
    if origin in _LISTS:
        inner = [argument for argument in arguments if argument is not Ellipsis]
        return f"list of {_alternatives(_text(argument) for argument in inner)}"
    if origin in {dict, Mapping}:
        return f"mapping of {_text(arguments[1])}" if len(arguments) == 2 and arguments[1] is not Any else "mapping"
    return str(getattr(annotation, "__name__", annotation)).lower()


def _class_text(cls: Any) -> str:
    if issubclass(cls, BaseModel) or hasattr(cls, "__dataclass_fields__"):
        return "mapping"
    if issubclass(cls, Path):
        return "path"
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", cls.__name__).lower()


def _alternatives(texts: Iterable[str]) -> str:
    *front, last = dict.fromkeys(texts)
    return f"{', '.join(front)} or {last}" if front else last
