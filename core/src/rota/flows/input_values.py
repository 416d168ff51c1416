"""Turns what somebody wrote for an input into a value: each function takes text or a value, and raises ValueError."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from pydantic import SecretStr
from pydantic_core import SchemaError, SchemaValidator, ValidationError, core_schema

from rota.context import Artifact
from rota.errors import FlowError
from rota.flows.durations import format_duration
from rota.flows.similar import listed

_WHOLE = re.compile(r"[+-]?[0-9]{1,4000}")
_EMAIL = re.compile(r"[^@\s<>]{1,64}@(?:[^@\s.<>]{1,63}\.)+[^@\s.<>]{1,63}")
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*")
_NO_URI = re.compile(r"[\s\x00-\x1f\x7f<>\"{}|\\^`]")


def must_be(what: str, value: Any) -> NoReturn:
    """Raise the ValueError that says what `value` is not; a long one is cut, a secret not shown."""
    shown = f"`{value[:40]}{'…' if len(value) > 40 else ''}`" if isinstance(value, str) else kind_of(value)
    raise ValueError(f"must be {what}, not {shown}")


def kind_of(value: Any) -> str:
    """Return what kind of thing `value` is, in the words of YAML: `a list`, `null`, `a number`."""
    if value is None:
        return "null"
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "a boolean"),
        ((int, float), "a number"),
        (str, "text"),
        ((list, tuple), "a list"),
        (Mapping, "a mapping"),
        (SecretStr, "a secret"),
    )
    return next((name for kind, name in kinds if isinstance(value, kind)), f"a value of type `{type(value).__name__}`")


def plain(value: Any) -> Any:
    """Return `value`, as YAML gave it, without marks of `!raw`."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    # Imported here: it comes with the templates, which are more than loading needs.
    from rota.flows.templates.marks import unraw

    return unraw(value)


def as_text(value: Any) -> str:
    """Return text as it is."""
    return value if isinstance(value, str) else must_be("text", value)


def as_int(value: Any, *, from_text: bool = False) -> int:
    """Return a whole number; `from_text` reads `12`, too."""
    if from_text and isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        must_be("a whole number", value)
    return value


def as_float(value: Any, *, from_text: bool = False) -> float:
    """Return a finite number; `from_text` reads `1.5`, too."""
    if from_text and isinstance(value, str):
        try:
            number = float(value.replace("_", "x"))
        except ValueError:
            must_be("a number", value)
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        must_be("a number", value)
    else:
        number = float(value)
    return number if math.isfinite(number) else must_be("a finite number", str(value))


def as_bool(value: Any, *, from_text: bool = False) -> bool:
    """Return a boolean; `from_text` reads `true` and `false`, too."""
    if from_text and isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    return value if isinstance(value, bool) else must_be("`true` or `false`", value)


def as_date(value: Any) -> date:
    """Return a day; text is ISO 8601."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        return date.fromisoformat(as_text(value).strip())
    except ValueError:
        must_be("a date such as `2026-01-31`", value)


def as_time(value: Any) -> time:
    """Return a time of day; text is ISO 8601."""
    if isinstance(value, time):
        return value
    try:
        return time.fromisoformat(as_text(value).strip())
    except ValueError:
        must_be("a time of day such as `13:30`", value)


def as_datetime(value: Any, timezone: tzinfo = UTC) -> datetime:
    """Return an aware datetime; one without an offset is read in `timezone`."""
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(as_text(value).strip())
    except ValueError:
        must_be("a date and time such as `2026-01-31T13:30+01:00`", value)
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone)


def as_secret(value: Any) -> SecretStr:
    """Return text wrapped, so that it is not shown."""
    if isinstance(value, SecretStr):
        return value
    return SecretStr(value) if isinstance(value, str) else must_be("text", value)


def as_email(value: Any) -> str:
    """Return an e-mail address without white space around it."""
    text = as_text(value).strip()
    return text if len(text) <= 254 and _EMAIL.fullmatch(text) else must_be("an e-mail address", value)


def as_uri(value: Any) -> str:
    """Return a URI with a scheme, without white space around it."""
    what = "a URI such as `https://example.org/path`"
    text = as_text(value).strip()
    try:
        parts = urlsplit(text)
        good = bool(parts.netloc or parts.path) and (parts.port or 1) > 0
    except ValueError:
        must_be(what, value)
    has_scheme = _SCHEME.fullmatch(text.partition(":")[0]) and ":" in text
    if not good or not has_scheme or _NO_URI.search(text) or ("://" in text and not (parts.netloc or parts.path)):
        must_be(what, value)
    return text


def as_json(text: str) -> Any:
    """Return the value of JSON text; `NaN` and the like are refused."""

    def refuse(name: str) -> NoReturn:
        raise ValueError(f"`{name}` is not JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError:
        raise ValueError("is nested too deep") from None
    except ValueError as error:
        where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise ValueError(f"must be JSON: {str(error).partition(': line')[0].lower()}{where}") from None


def as_file(value: Any) -> Artifact | Path:
    """Return a stored file, or the path of a local one that the caller has to store."""
    if isinstance(value, Artifact):
        return value
    if isinstance(value, Path):
        return value if value.is_file() else must_be("an existing file", str(value))
    kinds = {"uri": str, "name": str, "size": int, "sha256": str}
    if not isinstance(value, Mapping) or {key: type(item) for key, item in value.items()} != kinds:
        must_be("a stored file with `uri`, `name`, `size` and `sha256`", value)
    return Artifact(**value)


def from_yaml(text: str) -> Any:
    """Return the value of YAML text."""
    from rota.flows.document import parse_document

    try:
        return plain(parse_document(text, "value").data)
    except FlowError as error:
        first = error.findings[0]
        at = f" (line {first.place.line}, column {first.place.column})" if first.place.line else ""
        raise ValueError(f"must be YAML: {first.message}{at}") from None


def as_list(value: Any) -> list[Any]:
    """Return a new list."""
    return list(value) if isinstance(value, (list, tuple)) else must_be("a list", value)


def split(text: str) -> list[Any]:
    """Return the items of a JSON list, or the texts between commas."""
    if text.lstrip().startswith("["):
        return as_list(as_json(text))
    return [part.strip() for part in text.split(",")] if text.strip() else []


def choose(value: Any, choices: Sequence[str | int | float]) -> Any:
    """Return the choice that equals `value`."""
    for choice in choices:
        if choice == value and isinstance(choice, str) == isinstance(value, str) and not isinstance(value, bool):
            return choice
    must_be(f"{'' if len(choices) == 1 else 'one of '}{listed(map(str, choices), last='or')}", value)


def choose_text(text: str, choices: Sequence[str | int | float]) -> Any:
    """Return the choice that is written as `text`."""
    for choice in choices:
        if str(choice) == text.strip():
            return choice
    return choose(text, choices)


def check_count(count: int, low: int, high: int | None, unit: str) -> None:
    """Raise ValueError unless `count` is within the limits."""
    if count < low:
        raise ValueError(f"must have at least {low} {unit}{'s' * (low != 1)}, and has {count}")
    if high is not None and count > high:
        raise ValueError(f"must have at most {high} {unit}{'s' * (high != 1)}, and has {count}")


def dump(value: Any) -> Any:
    """Return a typed value as JSON values; secrets stay as they are, for the store to encrypt."""
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, Artifact):
        return asdict(value)
    if isinstance(value, list):
        return [dump(item) for item in value]
    return value


@lru_cache(maxsize=256)
def compiled(pattern: str) -> SchemaValidator:
    """Return what tests whole texts against `pattern` in linear time. Raises ValueError if it is no such pattern."""
    try:
        # pydantic-core has the engine of Rust: no back-tracking, so no text can make it slow.
        return SchemaValidator(core_schema.str_schema(pattern=f"^(?:{pattern})$"))
    except SchemaError as error:
        reason = str(error).rpartition("error:")[2].strip().splitlines()[0]
        raise ValueError(f"`{pattern[:60]}` is no regular expression: {reason}") from None


def matches(pattern: str, text: str) -> bool:
    """Say whether the whole of `text` matches `pattern`."""
    try:
        compiled(pattern).validate_python(text)
    except ValidationError:
        return False
    return True
