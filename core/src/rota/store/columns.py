"""The column types: identifiers that sort alike everywhere, JSON as text, times in seconds since 1970."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

# ASCII only, so that no surrogate and no NUL reaches the database; one encoder, because building one costs more than
# encoding a small value.
dumps = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
loads = json.JSONDecoder().decode


class Json(sa.types.TypeDecorator[Any]):
    """A JSON value in a text column, dumped compactly; None is NULL."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:
        return None if value is None else dumps(value)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> Any:
        return None if value is None else loads(value)


Key = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
"""Text that is looked up or sorted by: by its bytes, on every server alike."""
Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""Numbers that the database hands out."""
Time: sa.Double[float] = sa.Double()
"""Seconds since 1970, UTC."""


def storable(text: str) -> str:
    """Return `text` as a database can hold it: NUL and lone surrogates, which UTF-8 has not, become U+FFFD."""
    if text.isascii():
        return text.replace("\x00", "\ufffd") if "\x00" in text else text
    return text.replace("\x00", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
