"""Task types `objectstore.list` and `objectstore.exists`, and the walk over objects that other types share."""

from __future__ import annotations

import fnmatch
from collections.abc import AsyncIterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, Field, model_validator

from rota import Context, Task
from rota_objectstore.connection_fields import StoreFields
from rota_objectstore.digests import plain
from rota_objectstore.places import ObjectUri, Place, Uri, parse_uri

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ObjectStore

_PAGE = 1000


class Item(BaseModel):
    """An object."""

    uri: str
    """Its URI."""
    name: str
    """What it is called in the folder that was listed."""
    size: int
    """Its size in bytes."""
    modified: datetime
    """When it was written."""
    etag: str | None
    """The ETag that the store gives."""
    version: str | None = None
    """Its version, with `versions: true`."""
    latest: bool = True
    """Whether it is what a reader gets, and not an older version."""
    deleted: bool = False
    """Whether it is the mark of a deletion, with `versions: true`."""


class Listing(BaseModel):
    """The objects of a folder."""

    objects: list[Item]
    """The objects, sorted by name."""
    folders: list[str]
    """The names of the folders in it, with `recursive: false`."""
    count: int
    """How many objects are listed."""
    size: int
    """How many bytes they have together."""
    truncated: bool
    """Whether there are more than `limit`."""


class List(StoreFields, Task):
    """List the objects of a folder.

    Example:
        - id: dumps
          type: objectstore.list
          uri: s3://backups/nightly/
          pattern: "*.gz"
          endpoint: https://s3.bank.internal
          access_key: "{{ secret('s3/backup#access_key') }}"
          secret_key: "{{ secret('s3/backup#secret_key') }}"
    """

    idempotent: ClassVar[bool] = True

    uri: Uri
    """The folder."""
    pattern: str | None = Field(default=None, min_length=1)
    """Only those whose name fits: `*`, `?`, `[…]`. With a `/` in it, the whole name from the folder on is compared."""
    recursive: bool = True
    """List what is in folders of the folder, too."""
    versions: bool = False
    """List older versions and marks of deletion, too (S3)."""
    limit: int = Field(default=10_000, ge=1, le=100_000)
    """The most objects to give."""

    @model_validator(mode="after")
    def _fits_together(self) -> List:
        if self.versions and (parse_uri(self.uri).scheme != "s3" or not self.recursive):
            raise ValueError("`versions` is for S3, and lists folders of the folder, too")
        return self

    def run(self, ctx: Context) -> Listing:
        from rota_objectstore.failures import in_words
        from rota_objectstore.s3_client import s3_client
        from rota_objectstore.session import Session, store_at

        place = parse_uri(self.uri)
        with Session(ctx) as session, in_words(self, place, "list"), store_at(ctx, self, place) as store:
            if self.versions:
                with s3_client(ctx, self) as client:
                    return session.call(lambda: self._versions(client, place))
            return session.call(lambda: self._objects(store, place))

    async def _objects(self, store: ObjectStore, place: Place) -> Listing:
        import obstore

        if not self.recursive:
            found = await obstore.list_with_delimiter_async(store, place.key or None)
            items = [item_of(place, meta) for meta in found["objects"] if fits(place, meta["path"], self.pattern)]
            return _listing(items, [place.relative(path) for path in found["common_prefixes"]], self.limit)
        items = []
        async for meta in walk(store, place):
            if fits(place, meta["path"], self.pattern):
                items.append(item_of(place, meta))
            if len(items) > self.limit:
                break
        return _listing(items, [], self.limit)

    async def _versions(self, client: Any, place: Place) -> Listing:
        from rota_objectstore.s3_versions import versions_of

        items = []
        async for version in versions_of(client, place):
            if fits(place, version["Key"], self.pattern):
                items.append(_version(place, version))
            if len(items) > self.limit:
                break
        return _listing(items, [], self.limit)


class Existence(BaseModel):
    """Whether there is an object."""

    exists: bool
    """Whether there is one."""
    size: int | None = None
    """Its size in bytes."""
    modified: datetime | None = None
    """When it was written."""
    etag: str | None = None
    """The ETag that the store gives."""


class Exists(StoreFields, Task):
    """Tell whether there is an object. That there is none is no failure.

    Example:
        - id: done
          type: objectstore.exists
          uri: s3://backups/nightly/db-17.gz
          endpoint: https://s3.bank.internal
          access_key: "{{ secret('s3/backup#access_key') }}"
          secret_key: "{{ secret('s3/backup#secret_key') }}"
    """

    idempotent: ClassVar[bool] = True

    uri: ObjectUri
    """The object."""

    def run(self, ctx: Context) -> Existence:
        from rota_objectstore.failures import in_words
        from rota_objectstore.session import Session, store_at

        place = parse_uri(self.uri)
        with Session(ctx) as session, in_words(self, place, "look for"), store_at(ctx, self, place) as store:
            return session.call(lambda: self._look(store, place))

    async def _look(self, store: ObjectStore, place: Place) -> Existence:
        import obstore

        try:
            meta = await obstore.head_async(store, place.key)
        except FileNotFoundError:
            if place.scheme != "file":
                # A missing bucket looks alike, and is a mistake: listing it tells.
                await anext(aiter(obstore.list(store, place.key, chunk_size=1)), None)
            return Existence(exists=False)
        etag = plain(meta["e_tag"]) or None
        return Existence(exists=True, size=meta["size"], modified=meta["last_modified"], etag=etag)


async def walk(store: ObjectStore, place: Place) -> AsyncIterator[ObjectMeta]:
    """Give every object in a folder, and in its folders; sorted, as far as the store sorts."""
    import obstore

    async for page in obstore.list(store, place.key or None, chunk_size=_PAGE):
        for meta in page:
            yield meta


def fits(place: Place, key: str, pattern: str | None) -> bool:
    """Whether an object in a folder has a name that the pattern takes."""
    if pattern is None:
        return True
    name = place.relative(key)
    return fnmatch.fnmatchcase(name if "/" in pattern else name.rpartition("/")[2], pattern)


def item_of(place: Place, meta: ObjectMeta) -> Item:
    """Return an object as the output of a task."""
    return Item(
        uri=place.at(meta["path"]).uri,
        name=place.relative(meta["path"]),
        size=meta["size"],
        modified=meta["last_modified"],
        etag=plain(meta["e_tag"]) or None,
        version=meta["version"],
    )


def _version(place: Place, version: dict[str, Any]) -> Item:
    return Item(
        uri=place.at(version["Key"]).uri,
        name=place.relative(version["Key"]),
        size=version.get("Size", 0),
        modified=version["LastModified"],
        etag=plain(version.get("ETag")) or None,
        version=version["VersionId"],
        latest=version["IsLatest"],
        deleted="Size" not in version,
    )


def _listing(items: list[Item], folders: list[str], limit: int) -> Listing:
    shown = sorted(items, key=lambda item: item.name)[:limit]
    return Listing(
        objects=shown,
        folders=sorted(folders),
        count=len(shown),
        size=sum(item.size for item in shown),
        truncated=len(items) > limit,
    )
