"""Uploads to S3 that obstore cannot make: large ones on a condition, and locked ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from rota_objectstore.connection_fields import StoreFields
from rota_objectstore.contents import Content, check
from rota_objectstore.digests import PART, Digest, part_size, plain
from rota_objectstore.failures import exists_already
from rota_objectstore.places import Place
from rota_objectstore.s3_client import s3_client
from rota_objectstore.s3_parts import all_parts, upload_in_parts
from rota_objectstore.session import Session, aside
from rota_objectstore.upload import AT_ONCE, Checksum, Sent, checked_parts, proved, same_or_raise

if TYPE_CHECKING:
    from obstore.store import ObjectStore


def send_to_s3(
    session: Session,
    fields: StoreFields,
    store: ObjectStore,
    place: Place,
    content: Content,
    *,
    overwrite: bool,
    arguments: dict[str, Any],
    checksum: Checksum = "auto",
) -> Sent:
    """Store a content at a place, as `upload.send` does. Raises ExistsAlready, Damaged, and the errors of boto3."""

    async def sent() -> Sent:
        if not overwrite and content.size > PART and await _is_there(store, place):
            # What is there already is not worth sending for.
            return await same_or_raise(store, place, content)
        try:
            done, expected = await upload(session, client, place, content, overwrite=overwrite, arguments=arguments)
        except Exception as error:
            if overwrite or not exists_already(error):
                raise
            return await same_or_raise(store, place, content)
        return await proved(store, place, done, expected, checksum)

    with s3_client(session.ctx, fields) as client:
        return session.call(sent, graceful=True)


async def _is_there(store: ObjectStore, place: Place) -> bool:
    import obstore

    try:
        await obstore.head_async(store, place.key)
    except FileNotFoundError:
        return False
    return True


async def upload(
    session: Session, client: Any, place: Place, content: Content, *, overwrite: bool, arguments: dict[str, Any]
) -> tuple[Sent, str]:
    """Store a content and return it with the ETag that it should have.

    `arguments` are boto3's own for a new object. The condition is checked by the server in the moment when the object
    would appear. Raises boto3's errors, and Damaged for a source that is not what it should be.
    """
    if content.size <= PART:
        return await _in_one(client, place, content, arguments | _condition(overwrite=overwrite))
    return await _in_parts(session, client, place, content, overwrite=overwrite, arguments=arguments)


def _condition(*, overwrite: bool) -> dict[str, Any]:
    return {} if overwrite else {"IfNoneMatch": "*"}


async def _in_one(client: Any, place: Place, content: Content, arguments: dict[str, Any]) -> tuple[Sent, str]:
    data = b"".join([chunk async for chunk in content.chunks(PART)])
    digest = Digest()
    digest.add(data)
    check(content, digest)
    done = await aside(partial(client.put_object, Bucket=place.bucket, Key=place.key, Body=data, **arguments))
    return Sent(digest.size, digest.sha256, plain(done["ETag"]), done.get("VersionId")), digest.etag


async def _in_parts(
    session: Session, client: Any, place: Place, content: Content, *, overwrite: bool, arguments: dict[str, Any]
) -> tuple[Sent, str]:
    digest = Digest(part_size(content.size))

    async def sends(upload: dict[str, Any]) -> AsyncIterator[Callable[[], dict[str, Any]]]:
        async for number, data in _numbered(session, content, digest):
            yield partial(client.upload_part, **upload, PartNumber=number, Body=data, **_for_parts(arguments))

    async with upload_in_parts(client, {"Bucket": place.bucket, "Key": place.key}, arguments) as upload:
        sent = await all_parts(sends(upload), AT_ONCE)
        session.check()
        parts = [_named(number, part) for number, part in enumerate(sent, start=1)]
        condition = _condition(overwrite=overwrite)
        finish = partial(client.complete_multipart_upload, **upload, MultipartUpload={"Parts": parts}, **condition)
        made = await aside(finish)
    return Sent(digest.size, digest.sha256, plain(made["ETag"]), made.get("VersionId")), digest.etag


async def _numbered(session: Session, content: Content, digest: Digest) -> Any:
    """Give the parts with their numbers; each but the last has the size that S3 wants."""
    part = part_size(content.size)
    waiting, number = bytearray(), 0
    async for data in checked_parts(session, content, digest, part):
        if not waiting and len(data) == part:  # as a file gives it: nothing is to be put together
            number += 1
            yield number, data
            continue
        waiting += data
        while len(waiting) >= part:
            number += 1
            yield number, bytes(waiting[:part])
            del waiting[:part]
    if waiting:
        yield number + 1, bytes(waiting)


def _named(number: int, done: dict[str, Any]) -> dict[str, Any]:
    checksums = {name: value for name, value in done.items() if name.startswith("Checksum") and name != "ChecksumType"}
    return {"PartNumber": number, "ETag": done["ETag"], **checksums}


def _for_parts(arguments: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if name.startswith("SSECustomer")}
