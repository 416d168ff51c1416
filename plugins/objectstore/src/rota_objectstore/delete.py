"""Task type `objectstore.delete`, and the deleting that other types share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, Field, model_validator

from rota import Context, Task, TaskFailed
from rota_objectstore.connection_fields import StoreFields
from rota_objectstore.places import Place, Uri, parse_uri

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from rota_objectstore.session import Session

_AT_ONCE = 1000


class Deleted(BaseModel):
    """What is gone."""

    count: int
    """How many objects were deleted; one that was not there counts, too, where the store does not tell."""


class Delete(StoreFields, Task):
    """Delete an object, or a folder with everything in it.

    Example:
        - id: tidy
          type: objectstore.delete
          uri: s3://scratch/run-17/
          recursive: true
          endpoint: https://s3.bank.internal
          access_key: "{{ secret('s3/backup#access_key') }}"
          secret_key: "{{ secret('s3/backup#secret_key') }}"
    """

    idempotent: ClassVar[bool] = True

    uri: Uri
    """The object; with a `/` at its end, the folder."""
    recursive: bool = False
    """Delete a folder with everything in it."""
    missing_ok: bool = True
    """Whether an object that is not there is no failure."""
    version: str | None = Field(default=None, min_length=1)
    """Delete this version of the object, for good (S3)."""
    bypass_governance: bool = False
    """Delete a version although its lock in the mode `governance` holds it; that needs a right of its own (S3)."""

    @model_validator(mode="after")
    def _is_meant(self) -> Delete:
        place = parse_uri(self.uri)
        if place.is_folder and not self.recursive:
            raise ValueError(f"`{self.uri[:80]}` is a folder: `recursive: true` deletes everything in it")
        if self.recursive and not place.is_folder:
            raise ValueError("with `recursive: true`, `uri` is a folder and ends with `/`")
        if self.recursive and not place.key:
            raise ValueError("a whole bucket is not deleted: name a folder in it")
        if self.version is not None and (place.scheme != "s3" or self.recursive):
            raise ValueError("`version` is for one object of S3")
        if self.bypass_governance and self.version is None:
            raise ValueError("`bypass_governance` needs `version`")
        return self

    def plan(self, ctx: Context) -> object:
        from rota_objectstore.failures import in_words
        from rota_objectstore.session import Session, store_at

        place = parse_uri(self.uri)
        if not self.recursive:
            return {"delete": [place.uri]}
        with Session(ctx) as session, in_words(self, place, "list"), store_at(ctx, self, place) as store:
            return {"delete": [place.at(key).uri for key in session.call(lambda: _keys(store, place))]}

    def run(self, ctx: Context) -> Deleted:
        from rota_objectstore.failures import in_words
        from rota_objectstore.session import Session, store_at

        place = parse_uri(self.uri)
        with Session(ctx) as session, in_words(self, place, "delete"):
            if self.version is not None:
                return self._version(ctx, session, place, self.version)
            with store_at(ctx, self, place) as store:
                if self.recursive:
                    keys = session.call(lambda: _keys(store, place))
                else:
                    keys = [place.key]
                    self._look(session, store, place)
                count = delete_keys(session, store, place, keys)
        # Of one object many stores do not tell whether it was there before.
        what = f"{count} object(s) of {place.uri} are deleted" if self.recursive else f"{place.uri} is there no more"
        ctx.log.info(what)
        return Deleted(count=count)

    def _look(self, session: Session, store: ObjectStore, place: Place) -> None:
        if self.missing_ok:
            return
        import obstore

        try:
            session.call(lambda: obstore.head_async(store, place.key))
        except FileNotFoundError:
            raise TaskFailed(f"there is no object `{place.uri}`", retryable=False) from None

    def _version(self, ctx: Context, session: Session, place: Place, version: str) -> Deleted:
        from rota_objectstore.s3_client import s3_client
        from rota_objectstore.s3_versions import delete_version

        bypass = self.bypass_governance
        with s3_client(ctx, self) as client:
            session.call(lambda: delete_version(client, place, version, bypass_governance=bypass))
        return Deleted(count=1)


async def _keys(store: ObjectStore, place: Place) -> list[str]:
    from rota_objectstore.listing import walk

    return [meta["path"] async for meta in walk(store, place)]


def delete_keys(session: Session, store: ObjectStore, place: Place, keys: Sequence[str]) -> int:
    """Delete objects of a bucket, many by one request where the store can. Raises the errors of obstore."""
    count = 0
    step = 1 if place.scheme == "file" else _AT_ONCE
    for start in range(0, len(keys), step):
        some = list(keys[start : start + step])
        count += session.call(lambda some=some: _delete(store, some))  # type: ignore[misc]
        session.ctx.progress(start + len(some), len(keys))
    return count


async def _delete(store: ObjectStore, keys: list[str]) -> int:
    import obstore

    try:
        await obstore.delete_async(store, keys)
    except FileNotFoundError as error:
        # Only where one key is asked for does that tell of the key, and not of the bucket.
        if len(keys) > 1 or "NoSuchBucket" in str(error):
            raise
        return 0
    return len(keys)
