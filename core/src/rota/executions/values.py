"""Outputs and inputs as JSON text: secrets sealed, artifacts by reference, everything else plain."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, is_dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel, Secret, SecretBytes, SecretStr

from rota.context import Artifact
from rota.errors import TaskFailed
from rota.executions.masking import Masker

SECRET, SECRET_VALUE, ARTIFACT, LITERAL, OUTPUT = "$secret", "$secret_value", "$artifact", "$literal", "$output"
"""Keys of objects that stand for something else.

`$secret` is a sealed text, `$secret_value` a sealed value of another type; `$output` is an output that was stored
as an artifact.
"""
MARKS = frozenset({SECRET, SECRET_VALUE, ARTIFACT, LITERAL, OUTPUT})

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
        if isinstance(found, Secret):
            tokens += 1
            return {SECRET_VALUE: seal(dump(found.get_secret_value(), seal))}
        if isinstance(found, Artifact):
            tokens += 1
            return {ARTIFACT: asdict(found)}
        return _plain(found)

    text = _written(value, convert)
    # A key that looks like one of ours but came from outside must never be taken for one of ours.
    if '"$' in text and _marks(text) != tokens:
        return _written(_escaped(value), convert)
    return text


def output_text(value: Any, masker: Masker, seal: Seal) -> str:
    """Return an output as JSON text, masked; the secrets that it holds are masked from now on, in itself too.

    Raises TaskFailed, never to be retried, for what cannot be stored.
    """
    secrets: list[str] = []

    def keep(text: str) -> str:
        secrets.append(text)
        return seal(text)

    try:
        text = "" if masker else dump(value, keep)
        if masker or secrets:
            value = plain(value)
            for secret in _secrets(value):
                masker.add_all(secret)
            text = dump(map_text(value, masker), seal)
    except NotJson as error:
        raise TaskFailed(f"the task returned something that cannot be stored: {error}", retryable=False) from None
    return text


def _written(value: Any, convert: Callable[[Any], Any]) -> str:
    try:
        text = json.dumps(value, default=convert, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        if not text.isascii() and not is_utf8(text):
            # A lone surrogate has no place in a database; escaped it has.
            text = json.dumps(value, default=convert, separators=(",", ":"), allow_nan=False)
    except NotJson:
        raise
    except (ValueError, TypeError) as error:
        raise NotJson(f"no JSON form: {error}") from None
    except RecursionError:
        raise NotJson("no JSON form: it is nested too deeply") from None
    return text


def is_utf8(text: str) -> bool:
    """Say whether `text` can be encoded: it holds no lone surrogate."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _secrets(value: Any) -> Iterator[Any]:
    if isinstance(value, (SecretStr, SecretBytes, Secret)):
        yield value.get_secret_value()
    elif isinstance(value, dict):
        for item in value.values():
            yield from _secrets(item)
    elif isinstance(value, list):
        for item in value:
            yield from _secrets(item)


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
    """Return `value` with models, dataclasses, dates and the like as JSON values; secrets and artifacts stay.

    Raises NotJson for what cannot be written so.
    """
    try:
        return _tree(value)
    except RecursionError:
        raise NotJson("no JSON form: it is nested too deeply") from None


def _tree(value: Any) -> Any:
    if value is None or isinstance(value, (bool, SecretStr, SecretBytes, Secret, Artifact)):
        return value
    if isinstance(value, (str, int, float)):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, Mapping):
        return {_key(key): _tree(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_tree(item) for item in value]
    return _tree(_plain(value))


def _key(key: Any) -> str:
    """Return a key as JSON has it."""
    if isinstance(key, str):
        return key.value if isinstance(key, Enum) else key
    if key is None or isinstance(key, (bool, int, float)):
        return json.dumps(key)
    raise NotJson(f"no JSON form: a key is of type `{type(key).__qualname__}`")


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
            if SECRET_VALUE in value:
                return _secret_value(unseal(value[SECRET_VALUE]), unseal)
            if ARTIFACT in value:
                return Artifact(**value[ARTIFACT])
            if LITERAL in value:
                return {key: _restored(item, unseal) for key, item in value[LITERAL]}
        return {key: _restored(item, unseal) for key, item in value.items()}
    if isinstance(value, list):
        return [_restored(item, unseal) for item in value]
    return value


def _secret_value(text: str, unseal: Seal) -> SecretStr | Secret[Any]:
    try:
        return Secret(load(text, unseal))
    except ValueError:  # whoever only looks gets no JSON
        return SecretStr(text)
