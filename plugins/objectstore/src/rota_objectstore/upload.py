"""Sends a content to a store: in one piece or in parts, over what is there or only where nothing is, and proved."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from rota_objectstore.contents import Content, ObjectContent, check, digest_of
from rota_objectstore.digests import PART, Digest, may_be_md5, part_size, plain
from rota_objectstore.failures import Damaged, exists_already
from rota_objectstore.places import Place
from rota_objectstore.session import Session

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ObjectStore

Checksum = Literal["auto", "read_back", "off"]
AT_ONCE = 6
"""How many parts are on their way at once."""


class ExistsAlready(Exception):
    """There is an object already, with another content."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What is stored now; `written` is false where the same content was there already."""

    size: int
    sha256: str
    etag: str | None
    version: str | None
    written: bool = True
    proof: str = "off"


async def send(
    session: Session,
    store: ObjectStore,
    place: Place,
    content: Content,
    *,
    overwrite: bool,
    attributes: dict[str, str] | None = None,
    checksum: Checksum = "auto",
) -> Sent:
    """Store a content at a place. Raises ExistsAlready, Damaged, and the errors of obstore."""
    try:
        if content.size <= PART:
            sent, expected = await _in_one(store, place.key, content, overwrite=overwrite, attributes=attributes)
        elif overwrite:
            sent, expected = await _in_parts(session, store, place.key, content, attributes)
        else:
            sent, expected = await _aside(session, store, place, content, attributes)
    except Exception as error:
        if overwrite or not exists_already(error):
            raise
        return await same_or_raise(store, place, content)
    return await proved(store, place, sent, expected, checksum)


async def same_or_raise(store: ObjectStore, place: Place, content: Content) -> Sent:
    """Return what is there when it has the same content. Raises ExistsAlready.

    So a `put` that is run again, after a crash or a lost answer, finds its own work done.
    """
    import obstore

    found = await found_same(store, await obstore.head_async(store, place.key), content)
    if found is None:
        raise ExistsAlready
    return found


async def found_same(store: ObjectStore, there: ObjectMeta, content: Content) -> Sent | None:
    """Return an object of `store` as if it had been sent when it has this content, else None.

    Its ETag tells mostly; it is read only where that does not.
    """
    if there["size"] != content.size:
        return None
    parts = part_size(content.size) if "-" in (there["e_tag"] or "") else 0
    digest = await digest_of(content, parts)
    found = Sent(digest.size, digest.sha256, plain(there["e_tag"]), there["version"], written=False, proof="etag")
    if plain(there["e_tag"]) == digest.etag:
        return found
    stored = await digest_of(ObjectContent(store, there["path"], there["size"]))
    return replace(found, proof="read_back") if stored.sha256 == digest.sha256 else None


async def proved(store: ObjectStore, place: Place, sent: Sent, expected: str, checksum: Checksum) -> Sent:
    """Compare what is stored with what was sent: by the ETag where it tells, else by reading it. Raises Damaged."""
    if checksum == "off":
        return sent
    if checksum == "auto" and may_be_md5(sent.etag) and plain(sent.etag) == expected:
        return replace(sent, proof="etag")
    # An ETag that differs proves nothing: with keys of its own, a store makes it in another way.
    stored = await digest_of(ObjectContent(store, place.key, sent.size))
    if stored.sha256 != sent.sha256:
        raise Damaged("what is stored is not what was sent: its checksum differs")
    return replace(sent, proof="read_back")


async def _in_one(
    store: ObjectStore, key: str, content: Content, *, overwrite: bool, attributes: dict[str, str] | None
) -> tuple[Sent, str]:
    import obstore

    # One byte more than there should be: it is noticed when the source has grown.
    data = b"".join([chunk async for chunk in content.chunks(content.size + 1)])
    digest = Digest()
    digest.add(data)
    check(content, digest)
    mode: Any = "overwrite" if overwrite else "create"
    done = await obstore.put_async(store, key, data, mode=mode, attributes=attributes, use_multipart=False)
    return Sent(digest.size, digest.sha256, plain(done["e_tag"]), done["version"]), digest.etag


async def _in_parts(
    session: Session, store: ObjectStore, key: str, content: Content, attributes: dict[str, str] | None
) -> tuple[Sent, str]:
    import obstore

    part = part_size(content.size)
    digest = Digest(part)
    done = await obstore.put_async(
        store,
        key,
        checked_parts(session, content, digest, part),
        attributes=attributes,
        chunk_size=part,
        max_concurrency=AT_ONCE,
    )
    return Sent(digest.size, digest.sha256, plain(done["e_tag"]), done["version"]), digest.etag


async def checked_parts(session: Session, content: Content, digest: Digest, part: int) -> AsyncIterator[bytes]:
    """Give the bytes of a content, counted and summed.

    An error in here, a cancel or a source that is not what it should be, makes the store drop what it has got.
    """
    async for data in content.chunks(part):
        session.check()
        await digest.add_aside(data)
        session.ctx.progress(digest.size, content.size)
        yield data
    session.check()
    check(content, digest)


async def _aside(
    session: Session, store: ObjectStore, place: Place, content: Content, attributes: dict[str, str] | None
) -> tuple[Sent, str]:
    """Store under another name and copy within the store on the condition that nothing is there.

    For S3 there is a better way, in `s3_upload`.
    """
    import obstore

    folder = place.key.rpartition("/")[0]
    aside = f"{folder}/.rota-{secrets.token_hex(8)}".lstrip("/")
    try:
        sent, expected = await _in_parts(session, store, aside, content, attributes)
        await obstore.copy_async(store, aside, place.key, overwrite=False)
    finally:
        await _removed(store, aside)
    there = await obstore.head_async(store, place.key)
    return replace(sent, etag=plain(there["e_tag"]), version=there["version"]), expected


async def _removed(store: ObjectStore, key: str) -> None:
    import obstore

    try:
        await obstore.delete_async(store, key)
    except FileNotFoundError:
        return
