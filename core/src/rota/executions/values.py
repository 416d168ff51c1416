"""Outputs and inputs as JSON text: secrets sealed, artifacts by reference, everything else plain."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel, SecretBytes, SecretStr

from rota.context import Artifact

SECRET, ARTIFACT, LITERAL, OUTPUT = "$secret", "$artifact", "$literal", "$output"
"""Keys of objects that stand for something else; `$output` stands for an output stored as an artifact."""
MARKS = frozenset({SECRET, ARTIFACT, LITERAL, OUTPUT})

Seal = Callable[[str], str]
"""Encrypts a text (or decrypts it, on the way back)."""


class NotJson(TypeError):
    """A value that has no JSON form; the message says what it was."""


def dump(value: Any, seal: Seal) -> str:
    """Return `value` as compact JSON. Models and dataclasses become objects, `SecretStr` goes through `seal`.

    Raises NotJson for what cannot be written so, NaN and infinities included.
    """
    tokens = 0

    def convert(found: Any) -> Any:
        nonlocal tokens
        if isinstance(found, SecretStr):
            tokens += 1
            return {SECRET: seal(found.get_secret_value())}
        if isinstance(found, SecretBytes):
            tokens += 1
            return {SECRET: seal(found.get_secret_value().decode("utf-8", "replace"))}
        if isinstance(found, Artifact):
            tokens += 1
            return {ARTIFACT: asdict(found)}
        return _plain(found)

    try:
        text = json.dumps(value, default=convert, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise NotJson(f"no JSON form: {error}") from None
    except RecursionError:
        raise NotJson("no JSON form: it is nested too deeply") from None
    # A key that looks like one of ours but came from outside must never be taken for one of ours.
    if '"$' in text and _marks(text) != tokens:
        return json.dumps(_escaped(value), default=convert, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text


def load(text: str, unseal: Seal) -> Any:
    """Return what `dump` was given, with sealed values as `SecretStr` and references as `Artifact`."""
    value = json.loads(text)
    return _restored(value, unseal) if '"$' in text else value


def sealed(value: Any, seal: Seal) -> Any:
    """Return `value` as plain JSON values, secrets sealed, for a column that holds JSON."""
    return json.loads(dump(value, seal))


def unsealed(value: Any, unseal: Seal) -> Any:
    """Return what `sealed` was given, with secrets as `SecretStr` and references as `Artifact`."""
    return _restored(value, unseal)


def map_text(value: Any, change: Callable[[str], str]) -> Any:
    """Return `value` (plain JSON values) with `change` applied to every text in it, keys included."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(key) if isinstance(key, str) else key: map_text(item, change) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [map_text(item, change) for item in value]
    return value


def plain(value: Any) -> Any:
    """Return `value` with models, dataclasses, dates and the like as JSON values; secrets and artifacts stay."""
    if value is None or isinstance(value, (str, int, float, bool, SecretStr, SecretBytes, Artifact)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    return plain(_plain(value))


def _plain(found: Any) -> Any:
    if isinstance(found, BaseModel):
        return {name: getattr(found, name) for name in type(found).model_fields} | (found.__pydantic_extra__ or {})
    if is_dataclass(found) and not isinstance(found, type):
        return {name: getattr(found, name) for name in found.__dataclass_fields__}
    if isinstance(found, Mapping):
        return dict(found)
    if isinstance(found, (set, frozenset)):
        return sorted(found, key=repr)
    if isinstance(found, (datetime, date, time)):
        return found.isoformat()
    if isinstance(found, timedelta):
        return found.total_seconds()
    if isinstance(found, Enum):
        return found.value
    if isinstance(found, PurePath):
        return str(found)
    if isinstance(found, (bytes, bytearray)):
        return b64encode(found).decode("ascii")
    raise NotJson(f"a value of type `{type(found).__qualname__}` has no JSON form")


def _marks(text: str) -> int:
    return sum(text.count(f'"{mark}"') for mark in MARKS)


def _escaped(value: Any) -> Any:
    value = plain(value)
    if isinstance(value, dict):
        inner = {key: _escaped(item) for key, item in value.items()}
        marked = inner.keys() & MARKS
        return {LITERAL: [[key, item] for key, item in inner.items()]} if marked else inner
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    return value


def _restored(value: Any, unseal: Seal) -> Any:
    if isinstance(value, dict):
        if len(value) == 1:
            if SECRET in value:
                return SecretStr(unseal(value[SECRET]))
            if ARTIFACT in value:
                return Artifact(**value[ARTIFACT])
            if LITERAL in value:
                return {key: _restored(item, unseal) for key, item in value[LITERAL]}
        return {key: _restored(item, unseal) for key, item in value.items()}
    if isinstance(value, list):
        return [_restored(item, unseal) for item in value]
    return value
