"""Copies within one store, made by the server itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

from rota_objectstore.connection_fields import StoreFields, WritingFields
from rota_objectstore.digests import plain
from rota_objectstore.places import Place
from rota_objectstore.session import Session, store_at
from rota_objectstore.upload import ExistsAlready

_IDENTITY = ("endpoint", "region", "account", "customer_key")
MOST_IN_ONE_COPY = 5 << 30
"""S3 copies no more bytes than this by one request."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """How the new object is to be, where that differs from what the store would do by itself."""

    fields: StoreFields
    writing: WritingFields | None = None
    content_type: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        fields: StoreFields,
        writing: WritingFields | None = None,
        content_type: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Self:
        """Return the wishes of a task."""
        return cls(fields, writing, content_type, metadata or {})

    @property
    def is_plain(self) -> bool:
        """Whether nothing is wished for."""
        writing = self.writing is not None and (self.writing.storage_class or self.writing.encryption)
        return not (writing or self.content_type or self.metadata)

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of boto3 for a new object."""
        from rota_objectstore.s3_client import encryption_of

        own = {
            "StorageClass": self.writing.storage_class if self.writing is not None else None,
            "ContentType": self.content_type,
            "Metadata": self.metadata or None,
        }
        return {name: value for name, value in own.items() if value} | encryption_of(self.fields, self.writing)


@dataclass(frozen=True, slots=True)
class Copied:
    """The object that a copy made."""

    size: int
    etag: str
    version: str | None


def same_store(
    source_fields: StoreFields, source: Place, fields: StoreFields, target: Place, wanted: Wanted | None = None
) -> bool:
    """Whether the server that holds `source` can make `target` by itself."""
    if source.scheme != target.scheme:
        return False
    if any(getattr(source_fields, name) != getattr(fields, name) for name in _IDENTITY):
        return False
    if source.scheme == "s3":
        return True
    return source.bucket == target.bucket and (wanted is None or wanted.is_plain)


def copy_within(
    session: Session,
    fields: StoreFields,
    source: Place,
    target: Place,
    size: int,
    *,
    overwrite: bool,
    wanted: Wanted,
) -> Copied:
    """Copy an object of `size` bytes within its store, and return what is there now.

    Raises the errors of the clients, and ExistsAlready where something stands in the way.
    """
    simple = source.bucket == target.bucket and overwrite and wanted.is_plain and size <= MOST_IN_ONE_COPY
    if source.scheme == "s3" and not simple:
        return _by_boto3(session, fields, source, target, size, overwrite=overwrite, wanted=wanted)

    async def copied() -> Copied:
        import obstore

        await obstore.copy_async(store, source.key, target.key, overwrite=overwrite)
        there = await obstore.head_async(store, target.key)
        return Copied(there["size"], plain(there["e_tag"]), there["version"])

    with store_at(session.ctx, fields, target) as store:
        return session.call(copied)


def _by_boto3(
    session: Session, fields: StoreFields, source: Place, target: Place, size: int, *, overwrite: bool, wanted: Wanted
) -> Copied:
    import obstore

    from rota_objectstore.s3_client import s3_client
    from rota_objectstore.s3_copy import copy

    async def copied() -> Copied:
        if not overwrite:
            # Some stores take the condition of a copy and do not know it.
            try:
                await obstore.head_async(store, target.key)
            except FileNotFoundError:
                pass
            else:
                raise ExistsAlready
        limit = MOST_IN_ONE_COPY
        await copy(session, client, fields, source, target, overwrite=overwrite, wanted=wanted, in_parts=size > limit)
        there = await obstore.head_async(store, target.key)
        return Copied(there["size"], plain(there["e_tag"]), there["version"])

    with s3_client(session.ctx, fields) as client, store_at(session.ctx, fields, target) as store:
        return session.call(copied, graceful=True)
