"""Task type `objectstore.get`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, Field

from rota import Artifact, Context, Task, TaskFailed
from rota_objectstore.connection_fields import StoreFields
from rota_objectstore.places import ObjectUri, parse_uri

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from rota_objectstore.digests import Digest
    from rota_objectstore.session import Session

_CHUNK = 4 << 20


class Fetched(BaseModel):
    """An object that was read."""

    uri: str
    """Its URI."""
    artifact: Artifact | None
    """Its content as a file; null with `as: text`."""
    text: str | None
    """Its content with `as: text`."""
    size: int
    """Its size in bytes."""
    sha256: str
    """The checksum of its content, in lower-case hex."""
    etag: str | None
    """The ETag that the store gives."""
    modified: datetime
    """When it was written."""
    content_type: str | None
    """The media type that it is said to have."""
    metadata: dict[str, str]
    """What was said about it when it was stored."""


class Get(StoreFields, Task):
    """Read an object into an artifact, in constant memory, or as text.

    Example:
        - id: prices
          type: objectstore.get
          uri: s3://billing/prices.json
          as: text
          endpoint: https://s3.bank.internal
          access_key: "{{ secret('s3/billing#access_key') }}"
          secret_key: "{{ secret('s3/billing#secret_key') }}"
    """

    idempotent: ClassVar[bool] = True

    uri: ObjectUri
    """The object."""
    version: str | None = Field(default=None, min_length=1)
    """An older version of it, in a bucket that keeps versions."""
    as_: Literal["artifact", "text"] = Field(default="artifact", alias="as")
    """`text` gives the content, in UTF-8, as a value."""
    max_text: int = Field(default=1 << 20, ge=0, le=16 << 20)
    """The longest content, in bytes, that is taken as text."""
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-fA-F]{64}$")
    """The checksum that the content must have."""

    def run(self, ctx: Context) -> Fetched:
        from rota_objectstore.failures import in_words
        from rota_objectstore.session import Session, store_at

        place = parse_uri(self.uri)
        with Session(ctx) as session, in_words(self, place, "get"), store_at(ctx, self, place) as store:
            if self.as_ == "text":
                data = bytearray()
                got, digest = session.call(lambda: self._read(session, store, place.key, data.extend, self.max_text))
                return self._fetched(got, digest, None, self._text(data))
            with ctx.artifacts.writer(place.name) as writer:
                got, digest = session.call(lambda: self._read(session, store, place.key, writer.write))
            return self._fetched(got, digest, writer.artifact, None)

    async def _read(
        self,
        session: Session,
        store: ObjectStore,
        key: str,
        write: Callable[[bytes], object],
        most: int | None = None,
    ) -> tuple[Any, Digest]:
        import obstore

        from rota_objectstore.digests import Digest

        got = await obstore.get_async(store, key, options={"version": self.version} if self.version else None)
        size = got.meta["size"]
        if most is not None and size > most:
            raise TaskFailed(
                f"`{self.uri}` has {size} bytes: too many for text", retryable=False, hint="leave `as: text` out"
            )
        digest = Digest()
        async for chunk in got.stream(min_chunk_size=_CHUNK):
            data = bytes(chunk)
            digest.add(data)
            write(data)
            session.ctx.progress(digest.size, size)
        self._check(digest, size)
        return got, digest

    def _check(self, digest: Digest, size: int) -> None:
        from rota_objectstore.failures import Damaged

        if digest.size != size:
            raise Damaged(f"the store gave {digest.size} bytes instead of {size}")
        if self.sha256 is not None and digest.sha256 != self.sha256.lower():
            raise TaskFailed(f"`{self.uri}` has the checksum {digest.sha256}, not the one in `sha256`", retryable=False)

    def _text(self, data: bytearray) -> str:
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise TaskFailed(
                f"`{self.uri}` is no text in UTF-8: byte {error.start} is wrong",
                retryable=False,
                hint="leave `as: text` out: an artifact takes any bytes",
            ) from None

    def _fetched(self, got: Any, digest: Digest, artifact: Artifact | None, text: str | None) -> Fetched:
        from rota_objectstore.digests import plain

        attributes = dict(got.attributes)
        known = {"Content-Disposition", "Content-Encoding", "Content-Language", "Cache-Control", "Storage-Class"}
        content_type = attributes.pop("Content-Type", None)
        return Fetched(
            uri=self.uri,
            artifact=artifact,
            text=text,
            size=digest.size,
            sha256=digest.sha256,
            etag=plain(got.meta["e_tag"]) or None,
            modified=got.meta["last_modified"],
            content_type=content_type,
            metadata={name: value for name, value in attributes.items() if name not in known},
        )
