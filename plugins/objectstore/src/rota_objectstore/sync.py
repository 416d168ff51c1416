"""Task type `objectstore.sync`."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel, Field, model_validator

from rota import Context, Task, TaskFailed
from rota_objectstore.connection_fields import StoreFields, WritingFields
from rota_objectstore.places import SCHEMES, Place, parse_uri, place_of_path

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ObjectStore

    from rota_objectstore.session import Session

_LINES = 1000
_WHOLE_SECONDS = timedelta(seconds=1)


class Synced(BaseModel):
    """What was done to make the one folder like the other."""

    copied: int
    """How many objects were copied, because they were missing or different."""
    size: int
    """How many bytes that were."""
    unchanged: int
    """How many were the same already."""
    deleted: int
    """How many were deleted, because the source has them no more."""


class Sync(StoreFields, WritingFields, Task):
    """Make a folder of one place like a folder of another: what is missing or different is copied.

    The places are URIs, or folders of the work folder. What differs in the target is replaced: that is what this
    type is for. What the source does not have is left, unless `delete` is set. Every copy is proved by its checksum.

    Example:
        - id: publish
          type: objectstore.sync
          source: s3://reports/2026/
          target: file:///srv/www/reports/
          endpoint: https://s3.bank.internal
          access_key: "{{ secret('s3/reports#access_key') }}"
          secret_key: "{{ secret('s3/reports#secret_key') }}"
    """

    idempotent: ClassVar[bool] = True

    source: str = Field(min_length=1)
    """The folder to take from: a URI, or the path of a folder in the work folder."""
    target: str = Field(min_length=1)
    """The folder to make like it: a URI, or the path of a folder in the work folder."""
    source_store: StoreFields | None = None
    """How to reach the source, where that differs from how to reach the target."""
    pattern: str | None = Field(default=None, min_length=1)
    """Only objects whose name fits: `*`, `?`, `[…]`; others are neither copied nor deleted."""
    delete: bool = False
    """Delete from the target what the source does not have. An empty source deletes nothing: it fails."""
    compare: Literal["modified", "checksum"] = "modified"
    """When two objects of one size are the same: when their ETags are equal or the target's is not older (`modified`),
    or when their contents are, which are read where ETags do not tell (`checksum`)."""
    concurrency: int = Field(default=8, ge=1, le=64)
    """How many objects to copy at once."""

    @model_validator(mode="after")
    def _are_folders(self) -> Sync:
        for where in (self.source, self.target):
            if "://" in where:
                parse_uri(where)
        if self.source == self.target:
            raise ValueError("`source` and `target` are the same folder")
        return self

    def plan(self, ctx: Context) -> object:
        from rota_objectstore.session import Session

        with Session(ctx) as session:
            difference = self._difference(session)
        return {
            "copy": [difference.name(meta) for meta in difference.copy[:_LINES]],
            "delete": [difference.target.relative(key) for key in difference.delete[:_LINES]],
            "unchanged": difference.unchanged,
        }

    def run(self, ctx: Context) -> Synced:
        from rota_objectstore.delete import delete_keys
        from rota_objectstore.failures import in_words
        from rota_objectstore.session import Session, store_at

        with Session(ctx) as session:
            found = self._difference(session)
            origin = self.source_store or self
            with store_at(ctx, origin, found.source) as source, store_at(ctx, self, found.target, self) as target:
                with in_words(self, found.target, "sync"):
                    size = session.call(lambda: self._copy(session, source, target, found), graceful=True)
                with in_words(self, found.target, "delete"):
                    delete_keys(session, target, found.target, found.delete)
        ctx.log.info(f"{len(found.copy)} object(s) copied, {found.unchanged} unchanged, {len(found.delete)} deleted")
        return Synced(copied=len(found.copy), size=size, unchanged=found.unchanged, deleted=len(found.delete))

    def _place(self, ctx: Context, where: str) -> Place:
        if where.partition("://")[0] in SCHEMES and "://" in where:
            place = parse_uri(where)
            return Place(place.scheme, place.bucket, place.key, is_folder=True)
        path = ctx.in_workdir(where)
        place = place_of_path(path)
        return Place(place.scheme, place.bucket, place.key, is_folder=True)

    def _difference(self, session: Session) -> Difference:
        from rota_objectstore.failures import in_words
        from rota_objectstore.session import store_at

        ctx = session.ctx
        source, target = self._place(ctx, self.source), self._place(ctx, self.target)
        if source.scheme == "file" and not Path("/", source.key).is_dir():
            raise TaskFailed(f"there is no folder `{self.source}`", retryable=False)
        origin = self.source_store or self
        with store_at(ctx, origin, source) as one, store_at(ctx, self, target) as other:
            with in_words(origin, source, "list"):
                there = session.call(lambda: _listed(one, source, self.pattern))
            if not there:
                ctx.log.warning(f"there is nothing in `{source.uri}`")
            if self.delete and not there:
                raise TaskFailed(f"there is nothing in `{source.uri}`: nothing is deleted for it", retryable=False)
            with in_words(self, target, "list"):
                here = session.call(lambda: _listed(other, target, self.pattern))
            with in_words(self, target, "compare"):
                return session.call(lambda: self._compared(one, other, Difference(source, target), there, here))

    async def _compared(
        self,
        one: ObjectStore,
        other: ObjectStore,
        found: Difference,
        there: dict[str, ObjectMeta],
        here: dict[str, ObjectMeta],
    ) -> Difference:
        for name, meta in sorted(there.items()):
            if name in here and await self._same(one, other, meta, here[name]):
                found.unchanged += 1
            else:
                found.copy.append(meta)
        if self.delete:
            found.delete = [meta["path"] for name, meta in here.items() if name not in there]
        return found

    async def _same(self, one: ObjectStore, other: ObjectStore, source: ObjectMeta, target: ObjectMeta) -> bool:
        from rota_objectstore.contents import ObjectContent
        from rota_objectstore.digests import may_be_md5, plain
        from rota_objectstore.upload import found_same

        if source["size"] != target["size"]:
            return False
        if may_be_md5(source["e_tag"]) and plain(source["e_tag"]) == plain(target["e_tag"]):
            return True
        if self.compare == "modified":
            # Stores keep whole seconds, files do not.
            return target["last_modified"] + _WHOLE_SECONDS > source["last_modified"]
        return await found_same(other, target, ObjectContent(one, source["path"], source["size"])) is not None

    async def _copy(self, session: Session, source: ObjectStore, target: ObjectStore, found: Difference) -> int:
        from rota_objectstore.contents import ObjectContent
        from rota_objectstore.upload import send

        places = asyncio.Semaphore(self.concurrency)
        attributes = {"Storage-Class": self.storage_class} if self.storage_class else None
        done = 0

        async def copy(meta: ObjectMeta) -> None:
            nonlocal done
            async with places:
                session.check()
                place = found.target.below(found.name(meta))
                content = ObjectContent(source, meta["path"], meta["size"])
                sent = await send(session, target, place, content, overwrite=True, attributes=attributes)
                done += sent.size

        try:
            async with asyncio.TaskGroup() as group:
                for meta in found.copy:
                    group.create_task(copy(meta))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None
        return done


class Difference:
    """What `source` has that `target` has not, and the other way round."""

    def __init__(self, source: Place, target: Place) -> None:
        self.source, self.target = source, target
        self.copy: list[ObjectMeta] = []
        self.delete: list[str] = []
        self.unchanged = 0

    def name(self, meta: ObjectMeta) -> str:
        """Return what an object of the source is called in both folders."""
        return self.source.relative(meta["path"])


async def _listed(store: ObjectStore, place: Place, pattern: str | None) -> dict[str, ObjectMeta]:
    """Return the objects by name, without those that only mark a folder."""
    from rota_objectstore.listing import fits, walk

    found = {place.relative(meta["path"]): meta async for meta in walk(store, place)}
    folders = {str(folder) for name in found for folder in PurePosixPath(name).parents}
    return {
        name: meta
        for name, meta in found.items()
        if name and not (meta["size"] == 0 and name in folders) and fits(place, meta["path"], pattern)
    }
