"""Filters that encode and decode: JSON, YAML, base64, URLs, hashes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from rota.errors import ExpressionError
from rota.flows.templates.budget import MAX_ITEMS, MAX_TEXT, current, over
from rota.flows.templates.data import json_text, scalar_text, to_text
from rota.flows.templates.filters.yaml_text import from_yaml, to_yaml

_URL_PARTS = ("scheme", "netloc", "path", "query", "fragment", "username", "password", "hostname", "port")


def to_json(value: Any, sort_keys: bool = False) -> str:
    """Return `value` as JSON in one line."""
    return json_text(value, sort_keys=sort_keys)


def to_nice_json(value: Any, indent: int = 4, sort_keys: bool = True) -> str:
    """Return `value` as JSON in many lines."""
    if not 0 <= indent <= 16:
        raise ExpressionError("`indent` must be from 0 to 16")
    evaluation, parts, length = current(), [], 0
    encoder = json.JSONEncoder(
        ensure_ascii=False, allow_nan=False, indent=indent, sort_keys=sort_keys, default=scalar_text
    )
    for part in encoder.iterencode(value):
        parts.append(part)
        length += len(part)
        evaluation.step()
        if length > MAX_TEXT:
            raise over(f"makes a text of more than {MAX_TEXT:,} characters")
    return "".join(parts)


def from_json(value: Any) -> Any:
    """Return what a JSON text says."""
    if not isinstance(value, str):
        return value
    # Counted first: a short text can be many empty lists.
    if sum(value.count(char) for char in ",[{") > MAX_ITEMS:
        raise over(f"reads JSON of more than {MAX_ITEMS:,} values")
    try:
        return json.loads(value)
    except ValueError as error:
        raise ExpressionError(f"the text is no JSON: {error}") from None


def b64encode(value: Any, encoding: str = "utf-8", urlsafe: bool = False) -> str:
    """Return the text of `value` in base64."""
    data = _encoded(value, encoding)
    current().may_make(text=len(data) * 4 // 3 + 4)
    return (base64.urlsafe_b64encode(data) if urlsafe else base64.b64encode(data)).decode()


def b64decode(value: Any, encoding: str = "utf-8", urlsafe: bool = False) -> str:
    """Return the text that is in base64; raises ExpressionError when it is none."""
    text = "".join(to_text(current(), value).split())
    text += "=" * (-len(text) % 4)
    try:
        data = base64.b64decode(text, b"-_" if urlsafe else None, validate=True)
        return data.decode(_known_encoding(encoding))
    except (binascii.Error, ValueError) as error:
        raise ExpressionError(f"the text is no base64 of {encoding} text: {type(error).__name__}") from None


def _encoded(value: Any, encoding: str = "utf-8") -> bytes:
    try:
        return to_text(current(), value).encode(_known_encoding(encoding))
    except ValueError as error:
        raise ExpressionError(f"the text cannot be written in {encoding}: {type(error).__name__}") from None


def _known_encoding(name: str) -> str:
    if name.lower().replace("_", "-") not in ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "ascii", "latin-1"):
        raise ExpressionError(
            f"the encoding `{name[:40]}` is not known", hint="use `utf-8`, `utf-16`, `ascii` or `latin-1`"
        )
    return name


def digest(value: Any, hashtype: str = "sha1") -> str:
    """Return the hash of the text of `value` in hex: `sha256`, `sha512`, `blake2b`, `sha1`, `md5`."""
    if hashtype not in hashlib.algorithms_guaranteed or hashtype.startswith("shake"):
        raise ExpressionError(f"the hash `{str(hashtype)[:40]}` is not known", hint="use `sha256`")
    return hashlib.new(hashtype, _encoded(value), usedforsecurity=False).hexdigest()


def url_encode(value: Any) -> str:
    """Return a text so that it can stand in a URL (`/` stays), a mapping or list of pairs as a query."""
    if isinstance(value, (dict, list)):
        pairs = value.items() if isinstance(value, dict) else value
        named = [(to_text(current(), key), to_text(current(), item)) for key, item in pairs]
        current().may_make(text=12 * sum(len(key) + len(item) for key, item in named))
        return urlencode(named, quote_via=quote)
    data = _encoded(value)
    current().may_make(text=3 * len(data))
    return quote(data)


def url_split(value: Any, query: str = "") -> Any:
    """Return the parts of a URL as a mapping, or the one part asked for."""
    try:
        url = urlsplit(to_text(current(), value))
        parts = {name: getattr(url, name) for name in _URL_PARTS}
    except ValueError as error:
        raise ExpressionError(f"the text is no URL: {error}") from None
    if query and query not in parts:
        raise ExpressionError(f"a URL has no `{query[:40]}`", hint=f"it has {', '.join(_URL_PARTS)}")
    return parts[query] if query else parts


FILTERS = {
    "b64decode": b64decode,
    "b64encode": b64encode,
    "from_json": from_json,
    "from_yaml": lambda value: from_yaml(value) if isinstance(value, str) else value,
    "hash": digest,
    "to_json": to_json,
    "to_nice_json": to_nice_json,
    "to_nice_yaml": lambda value, **options: to_yaml(value, nice=True, **options),
    "to_yaml": lambda value, **options: to_yaml(value, nice=False, **options),
    "urlencode": url_encode,
    "urlsplit": url_split,
}
