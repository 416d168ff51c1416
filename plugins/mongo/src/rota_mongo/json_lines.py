"""JSON Lines of extended JSON, fast: the standard library's C code does what is plain, pymongo's the rest."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache, partial
from typing import Any

from rota import TaskFailed
from rota_mongo.extended_json import json_options

_EPOCH_YEAR = 1970
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?Z", re.ASCII)
"""How `$date` nearly always looks; whatever looks otherwise is for pymongo to read."""


def line_encoder(form: str) -> Callable[[bytes], tuple[bytes, int]]:
    """Return a function from BSON documents, one after another, to lines of UTF-8 and how many they are.

    It raises TaskFailed for text that is no UTF-8, which JSON cannot hold.
    """
    import bson
    from bson import ObjectId, json_util
    from bson.errors import InvalidBSON

    options, codec = json_options(form), _codec()

    def slow(document: Any) -> str:
        return json_util.dumps(_codes_back(document), json_options=options, ensure_ascii=False, separators=(",", ":"))

    def default(value: Any) -> Any:
        # The two kinds that nearly every document has are done here, in a third of the time.
        if type(value) is ObjectId:
            return {"$oid": str(value)}
        if type(value) is datetime and value.year >= _EPOCH_YEAR:
            # All are in UTC: `+00:00` is cut off.
            return {"$date": value.isoformat(timespec="milliseconds" if value.microsecond else "seconds")[:-6] + "Z"}
        return json_util.default(value.code if isinstance(value, _CodeValue) else value, options)

    # A canonical number is an object, which the C code never asks about; NaN makes it give up.
    fast = json.JSONEncoder(
        default=default, ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":")
    ).encode
    encode = slow if form == "canonical" else fast

    def one(document: Any) -> str:
        try:
            return encode(document)
        except ValueError:
            return slow(document)

    def lines(batch: bytes) -> tuple[bytes, int]:
        try:
            documents = bson.decode_all(batch, codec)
        except InvalidBSON as error:
            hint = "`format: bson` keeps it as it is"
            raise TaskFailed(f"a document has text that is no UTF-8: {error}", retryable=False, hint=hint) from None
        text = "\n".join([one(document) for document in documents])
        return f"{text}\n".encode() if documents else b"", len(documents)

    return lines


class _CodeValue:
    """JavaScript code as no text: the JSON encoder takes `Code` for one, since it is a `str`."""

    def __init__(self, code: Any) -> None:
        self.code = code


@cache
def _codec() -> Any:
    from bson.binary import UuidRepresentation
    from bson.code import Code
    from bson.codec_options import CodecOptions, DatetimeConversion, TypeDecoder, TypeRegistry

    class CodeDecoder(TypeDecoder):
        bson_type = Code

        def transform_bson(self, value: Any) -> _CodeValue:
            return _CodeValue(value)

    return CodecOptions[dict[str, Any]](
        tz_aware=True,
        uuid_representation=UuidRepresentation.STANDARD,
        datetime_conversion=DatetimeConversion.DATETIME_AUTO,
        type_registry=TypeRegistry([CodeDecoder()]),
    )


def _codes_back(value: Any) -> Any:
    if isinstance(value, _CodeValue):
        return value.code
    if isinstance(value, Mapping):
        return {key: _codes_back(item) for key, item in value.items()}
    return [_codes_back(item) for item in value] if isinstance(value, list) else value


@cache
def line_decoder() -> json.JSONDecoder:
    """Return a decoder of lines of extended JSON; it raises what `json_util.loads` raises."""
    from bson import ObjectId
    from bson.json_util import object_hook

    convert = partial(object_hook, json_options=json_options())
    read_date = datetime.fromisoformat

    def hook(value: dict[str, Any]) -> Any:
        # Most mappings are plain, and pymongo asks about every key.
        for key, inner in value.items():
            if key[:1] != "$":
                continue
            if len(value) == 1 and type(inner) is str:
                if key == "$oid":
                    return ObjectId(inner)
                if key == "$date" and _DATE.fullmatch(inner):
                    return read_date(inner)
            return convert(value)
        return value

    return json.JSONDecoder(object_hook=hook, parse_constant=_refused)


def _refused(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")
