"""How `objectstore.put` chooses its way: within the store, by obstore, or by boto3 for what obstore cannot do."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rota import Context, TaskFailed
from rota_objectstore.connection_fields import StoreFields
from rota_objectstore.contents import FileContent, ObjectContent, digest_of
from rota_objectstore.copying import Wanted, copy_within, same_store
from rota_objectstore.digests import PART
from rota_objectstore.failures import Damaged, exists_already, in_words
from rota_objectstore.places import Place
from rota_objectstore.s3_upload import send_to_s3
from rota_objectstore.session import Session, store_at
from rota_objectstore.upload import ExistsAlready, Sent, same_or_raise, send

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from rota_objectstore.put import Put, Stored


def put(
    ctx: Context, task: Put, place: Place, content: FileContent, origin: tuple[StoreFields, Place] | None
) -> Stored:
    """Store a content at a place; `origin` is where it is already, if anywhere. Raises TaskFailed."""
    from rota_objectstore.put import Stored

    with Session(ctx) as session, in_words(task, place, "put"), store_at(ctx, task, place, task) as store:
        try:
            sent = _within(session, task, store, place, content, origin) or _sent(session, task, store, place, content)
        except ExistsAlready:
            raise exists(place) from None
    return Stored(uri=place.uri, **{name: getattr(sent, name) for name in Stored.model_fields if name != "uri"})


def exists(place: Place) -> TaskFailed:
    """Return the failure of what would have had to overwrite."""
    return TaskFailed(
        f"`{place.uri}` exists already, with another content",
        retryable=False,
        hint="`overwrite: true` replaces it",
    )


def attributes_of(task: Put) -> dict[str, str] | None:
    """Return what obstore calls the attributes of an object."""
    own = {"Content-Type": task.content_type, "Storage-Class": task.storage_class}
    return {name: value for name, value in own.items() if value} | task.metadata or None


def _sent(session: Session, task: Put, store: ObjectStore, place: Place, content: FileContent) -> Sent:
    large_and_careful = content.size > PART and not task.overwrite
    if place.scheme == "s3" and (task.object_lock is not None or large_and_careful):
        arguments = Wanted.of(task, task, task.content_type, task.metadata).arguments()
        arguments |= task.object_lock.arguments() if task.object_lock is not None else {}
        return send_to_s3(
            session,
            task,
            store,
            place,
            content,
            overwrite=task.overwrite,
            arguments=arguments,
            checksum=task.checksum,
        )
    return session.call(
        lambda: send(
            session,
            store,
            place,
            content,
            overwrite=task.overwrite,
            attributes=attributes_of(task),
            checksum=task.checksum,
        ),
        graceful=True,
    )


def _within(
    session: Session,
    task: Put,
    store: ObjectStore,
    place: Place,
    content: FileContent,
    origin: tuple[StoreFields, Place] | None,
) -> Sent | None:
    """Copy an artifact that is in this very store; None where it is elsewhere, or this login may not read it."""
    if origin is None or task.object_lock is not None or content.sha256 is None:
        return None
    wanted = Wanted.of(task, task, task.content_type, task.metadata)
    if not same_store(origin[0], origin[1], task, place, wanted):
        return None
    try:
        copied = copy_within(session, task, origin[1], place, content.size, overwrite=task.overwrite, wanted=wanted)
    except Exception as error:  # noqa: BLE001 - whatever stands against the short way, there is the long one
        session.check()
        if exists_already(error) or isinstance(error, ExistsAlready):
            return session.call(lambda: same_or_raise(store, place, content))
        session.ctx.log.debug("the artifact cannot be copied within the store: it is sent", reason=_kind(error))
        return None
    sent = Sent(content.size, content.sha256, copied.etag, copied.version, proof="copied")
    if copied.size != content.size:
        raise Damaged(f"the copy has {copied.size} bytes instead of {content.size}")
    if task.checksum == "read_back":
        stored: Any = ObjectContent(store, place.key, content.size, content.sha256)
        session.call(lambda: digest_of(stored))
        return replace(sent, proof="read_back")
    return sent


def _kind(error: Exception) -> str:
    return type(error).__name__
