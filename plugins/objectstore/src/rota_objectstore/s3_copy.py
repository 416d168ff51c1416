"""Copies within S3 that obstore cannot make: between buckets, on a condition, or of more than 5 GB."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

from rota_objectstore.connection_fields import StoreFields
from rota_objectstore.copying import Wanted
from rota_objectstore.places import Place
from rota_objectstore.s3_client import customer_key_of
from rota_objectstore.session import Session

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
    pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="rota-s3")
    try:
        if in_parts:
            await _in_parts(session, pool, client, fields, source, where, origin, condition, wanted)
            return
        arguments = wanted.arguments()
        if "ContentType" in arguments or "Metadata" in arguments:
            arguments["MetadataDirective"] = "REPLACE"
        one = partial(client.copy_object, **where, **origin, **arguments, **condition)
        await asyncio.get_running_loop().run_in_executor(pool, one)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


async def _in_parts(
    session: Session,
    pool: ThreadPoolExecutor,
    client: Any,
    fields: StoreFields,
    source: Place,
    where: dict[str, Any],
    origin: dict[str, Any],
    condition: dict[str, str],
    wanted: Wanted,
) -> None:
    run = partial(asyncio.get_running_loop().run_in_executor, pool)
    own_key = customer_key_of(fields)
    head = await run(partial(client.head_object, Bucket=source.bucket, Key=source.key, **own_key))
    kept = {name: head[name] for name in _KEPT if head.get(name)}
    begun = await run(partial(client.create_multipart_upload, **where, **(kept | wanted.arguments())))
    where = {**where, "UploadId": begun["UploadId"]}
    # The source may not change in the middle.
    origin = {**origin, "CopySourceIfMatch": head["ETag"]}
    size = head["ContentLength"]

    def part(number: int) -> dict[str, Any]:
        session.check()
        start = number * PART
        span = f"bytes={start}-{min(start + PART, size) - 1}"
        done = client.upload_part_copy(**where, **origin, PartNumber=number + 1, CopySourceRange=span, **own_key)
        return {"PartNumber": number + 1, "ETag": done["CopyPartResult"]["ETag"]}

    try:
        parts = await asyncio.gather(*(run(partial(part, number)) for number in range(-(-size // PART))))
        session.check()
        finish = partial(client.complete_multipart_upload, **where, MultipartUpload={"Parts": parts}, **condition)
        await run(finish)
    except BaseException:
        await run(partial(_give_up, client, where))
        raise


def _give_up(client: Any, where: dict[str, Any]) -> None:
    with suppress(Exception):
        client.abort_multipart_upload(**where)
