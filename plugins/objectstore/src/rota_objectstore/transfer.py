"""Brings an object from one place to another: within the server where that can do it, else through Rota."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rota import Context, TaskFailed
from rota_objectstore.contents import ObjectContent
from rota_objectstore.copy import CopyDone, CopyFields
from rota_objectstore.copying import Wanted, copy_within, same_store
from rota_objectstore.digests import PART, plain
from rota_objectstore.failures import Damaged, exists_already, in_words
from rota_objectstore.places import Place
from rota_objectstore.putting import exists
from rota_objectstore.s3_upload import send_to_s3
from rota_objectstore.session import Session, store_at
from rota_objectstore.upload import ExistsAlready, Sent, same_or_raise, send

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ObjectStore


def transfer(ctx: Context, task: CopyFields, *, remove: bool) -> CopyDone:
    """Copy, and `remove` the source where that is asked for. Raises TaskFailed."""
    source, target = task.places
    origin = task.source_store or task
    doing = "move" if remove else "copy"
    with Session(ctx) as session, store_at(ctx, origin, source) as store:
        with in_words(origin, source, doing):
            meta = session.call(lambda: _head(store, source.key))
        with in_words(task, target, doing):
            try:
                done = _copied(session, task, store, meta)
            except ExistsAlready:
                raise exists(target) from None
        if remove:
            with in_words(origin, source, doing):
                _remove(session, store, source.key, meta)
    ctx.log.info(f"{done.size} bytes are at {target.uri}")
    return done


def _copied(session: Session, task: CopyFields, store: ObjectStore, meta: ObjectMeta) -> CopyDone:
    source, target = task.places
    wanted = Wanted.of(task, task)
    content = ObjectContent(store, source.key, meta["size"])
    with store_at(session.ctx, task, target, task) as kept:
        if not same_store(task.source_store or task, source, task, target, wanted):
            sent = _sent(session, task, kept, target, content)
            return _done(target.uri, sent)
        try:
            made = copy_within(session, task, source, target, meta["size"], overwrite=task.overwrite, wanted=wanted)
        except Exception as error:
            if isinstance(error, ExistsAlready) or exists_already(error):
                return _done(target.uri, session.call(lambda: same_or_raise(kept, target, content)))
            raise
    if made.size != meta["size"]:
        raise Damaged(f"the copy has {made.size} bytes instead of {meta['size']}")
    return CopyDone(uri=target.uri, size=made.size, etag=made.etag, version=made.version, sha256=None, written=True)


def _sent(session: Session, task: CopyFields, store: ObjectStore, target: Place, content: ObjectContent) -> Sent:
    if target.scheme == "s3" and content.size > PART and not task.overwrite:
        wanted = Wanted.of(task, task).arguments()
        return send_to_s3(session, task, store, target, content, overwrite=False, arguments=wanted)
    attributes = {"Storage-Class": task.storage_class} if task.storage_class else None
    return session.call(
        lambda: send(session, store, target, content, overwrite=task.overwrite, attributes=attributes), graceful=True
    )


def _done(uri: str, sent: Sent) -> CopyDone:
    return CopyDone(
        uri=uri, size=sent.size, etag=sent.etag, version=sent.version, sha256=sent.sha256, written=sent.written
    )


async def _head(store: ObjectStore, key: str) -> ObjectMeta:
    import obstore

    return await obstore.head_async(store, key)


def _remove(session: Session, store: ObjectStore, key: str, meta: ObjectMeta) -> None:
    async def removed() -> None:
        import obstore

        now = await obstore.head_async(store, key)
        if plain(now["e_tag"]) != plain(meta["e_tag"]) or now["size"] != meta["size"]:
            raise TaskFailed("the source was changed while it was copied: it is left where it is")
        await obstore.delete_async(store, key)

    session.call(removed)
