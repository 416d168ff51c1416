"""Copies within S3 that obstore cannot make: between buckets, on a condition, or of more than 5 GB."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Any

from rota_objectstore.connection_fields import StoreFields
from rota_objectstore.copying import Wanted
from rota_objectstore.places import Place
from rota_objectstore.s3_client import customer_key_of
from rota_objectstore.s3_parts import all_parts, upload_in_parts
from rota_objectstore.session import Session, aside

PART = 512 << 20
"""Bytes that the server copies by one request of a copy in parts; 10,000 of them are more than an object may have."""
_KEPT = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Metadata",
    "StorageClass",
)
_AT_ONCE = 8


async def copy(
    session: Session,
    client: Any,
    fields: StoreFields,
    source: Place,
    target: Place,
    *,
    overwrite: bool,
    wanted: Wanted,
    in_parts: bool,
) -> None:
    """Have the server copy an object. Raises boto3's errors."""
    origin = {"CopySource": {"Bucket": source.bucket, "Key": source.key}, **customer_key_of(fields, "CopySource")}
    where = {"Bucket": target.bucket, "Key": target.key}
    condition = {} if overwrite else {"IfNoneMatch": "*"}
    if in_parts:
        await _in_parts(session, client, fields, source, where, origin, condition, wanted)
        return
    arguments = wanted.arguments()
    if "ContentType" in arguments or "Metadata" in arguments:
        arguments["MetadataDirective"] = "REPLACE"
    await aside(partial(client.copy_object, **where, **origin, **arguments, **condition))


async def _in_parts(
    session: Session,
    client: Any,
    fields: StoreFields,
    source: Place,
    where: dict[str, Any],
    origin: dict[str, Any],
    condition: dict[str, str],
    wanted: Wanted,
) -> None:
    own_key = customer_key_of(fields)
    head = await aside(partial(client.head_object, Bucket=source.bucket, Key=source.key, **own_key))
    kept = {name: head[name] for name in _KEPT if head.get(name)}
    # The source may not change in the middle.
    origin = {**origin, "CopySourceIfMatch": head["ETag"]}
    size = head["ContentLength"]

    async def copies(upload: dict[str, Any]) -> AsyncIterator[Callable[[], dict[str, Any]]]:
        for number, start in enumerate(range(0, size, PART), start=1):
            session.check()
            span = {"PartNumber": number, "CopySourceRange": f"bytes={start}-{min(start + PART, size) - 1}"}
            yield partial(client.upload_part_copy, **upload, **origin, **span, **own_key)

    async with upload_in_parts(client, where, kept | wanted.arguments()) as upload:
        made = await all_parts(copies(upload), _AT_ONCE)
        session.check()
        parts = [{"PartNumber": number, "ETag": part["CopyPartResult"]["ETag"]} for number, part in enumerate(made, 1)]
        finish = partial(client.complete_multipart_upload, **upload, MultipartUpload={"Parts": parts}, **condition)
        await aside(finish)
