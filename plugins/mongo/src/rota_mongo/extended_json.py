"""Extended JSON both ways: what flows write becomes BSON values, and documents become what flows read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, Secret, SecretBytes, SecretStr

from rota import TaskFailed

ExtendedJson = Literal["relaxed", "canonical"]
"""`relaxed` writes numbers as numbers, `canonical` keeps every type: `{"$numberLong": "5"}`."""


@cache
def json_options(form: str = "relaxed") -> Any:
    """Return pymongo's options for a form of extended JSON."""
    from bson.json_util import CANONICAL_JSON_OPTIONS, RELAXED_JSON_OPTIONS

    options = CANONICAL_JSON_OPTIONS if form == "canonical" else RELAXED_JSON_OPTIONS
    from bson.binary import UuidRepresentation
    from bson.codec_options import DatetimeConversion

    return options.with_options(
        tz_aware=True,
        tzinfo=options.tzinfo,
        uuid_representation=UuidRepresentation.STANDARD,
        datetime_conversion=DatetimeConversion.DATETIME_AUTO,
    )


def to_bson(value: Any) -> Any:
    """Return the value of a field as BSON has it: `{"$oid": …}` is an ObjectId, a secret its text, a date a datetime.

    Raises TaskFailed, never to be retried, for what looks like extended JSON and is none.
    """
    if isinstance(value, Mapping):
        return _document({key: to_bson(item) for key, item in value.items()})
    if isinstance(value, (list, tuple, set, frozenset)):
        return [to_bson(item) for item in value]
    if isinstance(value, (SecretStr, SecretBytes, Secret)):
        return to_bson(value.get_secret_value())
    if isinstance(value, Decimal):
        from bson.decimal128 import Decimal128

        return Decimal128(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime.combine(value, time(), tzinfo=json_options().tzinfo)
    if isinstance(value, BaseModel):
        return to_bson(value.model_dump())
    return value


def _document(value: dict[Any, Any]) -> Any:
    from bson.errors import BSONError
    from bson.json_util import object_hook

    for key in value:
        if not isinstance(key, str):
            raise TaskFailed(f"the key `{key}` of a document is no text: write it in quotes", retryable=False)
    # `$regex` is an operator of queries, which the server reads by itself, with others beside it.
    if not any(key.startswith("$") for key in value) or "$regex" in value:
        return value
    try:
        return object_hook(value, json_options())
    except (TypeError, ValueError, KeyError, AttributeError, ArithmeticError, BSONError) as error:
        name = next(key for key in value if key.startswith("$"))
        raise TaskFailed(f"`{name}` does not hold what extended JSON wants there: {error}", retryable=False) from None


def to_json(value: Any, form: str = "relaxed") -> Any:
    """Return a BSON value as extended JSON, made of plain lists, mappings, texts and numbers."""
    from bson.json_util import default

    options = json_options(form)

    def convert(found: Any) -> Any:
        if found is None or type(found) in {str, bool}:
            return found
        if isinstance(found, Mapping):
            return {key: convert(item) for key, item in found.items()}
        if isinstance(found, (list, tuple)):
            return [convert(item) for item in found]
        return default(found, options)

    return convert(value)
