"""Task type `objectstore.put`."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, model_validator

from rota import Artifact, Context, Duration, Task, TaskFailed
from rota_objectstore.connection_fields import StoreFields, WritingFields, revealed
from rota_objectstore.contents import FileContent
from rota_objectstore.places import Place, Uri, parse_uri


class Stored(BaseModel):
    """The object that is there now."""

    uri: str
    """Its URI."""
    size: int
    """Its size in bytes."""
    sha256: str
    """The checksum of its content, in lower-case hex."""
    etag: str | None
    """The ETag that the store gave it."""
    version: str | None
    """Its version, where the bucket keeps versions and the store says so."""
    written: bool
    """Whether it was written now: an object with this very content, already there, is left alone."""
    proof: Literal["etag", "read_back", "copied", "off"]
    """How it is known that the store has what was sent: its ETag, by reading it, or a copy within the store."""


class ObjectLock(BaseModel):
    """Nobody may change or delete the object for a time (S3)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["governance", "compliance"] = "governance"
    """`governance` can be lifted by those with a right to; `compliance` by nobody at all."""
    retain: Duration | None = None
    """For how long from now."""
    until: AwareDatetime | None = None
    """Until when, instead of `retain`."""
    legal_hold: bool = False
    """Keep it locked until somebody lifts that, whatever the time."""

    @model_validator(mode="after")
    def _locks_something(self) -> ObjectLock:
        if self.retain is not None and self.until is not None:
            raise ValueError("either `retain` or `until`, not both")
        if self.retain is None and self.until is None and not self.legal_hold:
            raise ValueError("a lock needs `retain`, `until` or `legal_hold`")
        return self

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of boto3."""
        until = datetime.now(UTC) + self.retain if self.retain is not None else self.until
        hold = {"ObjectLockLegalHoldStatus": "ON"} if self.legal_hold else {}
        if until is None:
            return hold
        return {"ObjectLockMode": self.mode.upper(), "ObjectLockRetainUntilDate": until, **hold}


class Put(StoreFields, WritingFields, Task):
    """Store a file as an object.

    It is sent in parts, in constant memory, and appears whole or not at all. Then its checksum is compared with what
    the store has got. An object that is there is never overwritten unless told; one with this very content is a
    success. An artifact that is already in the same store is copied there, without passing through Rota.

    Example:
        - id: store
          type: objectstore.put
          uri: s3://backups/nightly/db-17.gz
          file: "{{ outputs.dump.stdout }}"
          endpoint: https://s3.bank.internal
          access_key: "{{ secret('s3/backup#access_key') }}"
          secret_key: "{{ secret('s3/backup#secret_key') }}"
          encryption: AES256
    """

    idempotent: ClassVar[bool] = True

    uri: Uri
    """Where to; with a `/` at its end, the folder it goes into under its own name."""
    file: Artifact | str | None = None
    """An artifact, its uri, or the path of a file in the work folder."""
    content: str | SecretStr | None = Field(default=None, repr=False)
    """Text to store, instead of a `file`."""
    overwrite: bool = False
    """Replace an object that is there. Without it the server itself sees to it that nothing is overwritten."""
    content_type: str | None = Field(default=None, min_length=1)
    """The media type that readers are told: `application/gzip`."""
    metadata: dict[str, str] = Field(default_factory=dict)
    """Your own words about the object, kept with it."""
    checksum: Literal["auto", "read_back", "off"] = "auto"
    """How to prove what was stored: by its ETag where that tells, else by reading it back (`auto`); by reading it back;
    or not at all."""
    object_lock: ObjectLock | None = None
    """Lock it against change and deletion (S3, in a bucket that has object lock)."""

    @model_validator(mode="after")
    def _is_one_thing(self) -> Put:
        if (self.file is None) == (self.content is None):
            raise ValueError("`objectstore.put` has either `file` or `content`")
        place = parse_uri(self.uri)
        if self.content is not None and place.is_folder:
            raise ValueError("`content` has no name: `uri` must not end with `/`")
        if self.object_lock is not None and place.scheme != "s3":
            raise ValueError("`object_lock` is for S3 alone")
        return self

    def plan(self, ctx: Context) -> object:
        return {"uri": self.uri, "overwrite": self.overwrite}

    def run(self, ctx: Context) -> Stored:
        from rota_objectstore.putting import put

        with self._source(ctx) as (content, name, origin):
            place = parse_uri(self.uri)
            place = place.below(name) if place.is_folder else place
            stored = put(ctx, self, place, content, origin)
        ctx.log.info(f"{stored.size} bytes {'are' if stored.written else 'were already'} at {stored.uri}")
        ctx.metric("bytes", stored.size)
        return stored

    @contextmanager
    def _source(self, ctx: Context) -> Iterator[tuple[FileContent, str, tuple[StoreFields, Place] | None]]:
        """Give the content, its name, and where it is already when it is in an object store of Rota's own."""
        from rota_objectstore.artifact_store import StoredFile

        if self.content is not None:
            data = (revealed(self.content) or "").encode()
            yield FileContent(lambda: io.BytesIO(data), len(data)), "", None
        elif isinstance(self.file, Artifact) or "://" in str(self.file):
            artifact = self.file
            assert artifact is not None
            with ctx.artifacts.open(artifact) as opened:
                origin = opened.origin if isinstance(opened, StoredFile) else None
                size = artifact.size if isinstance(artifact, Artifact) else opened.seek(0, io.SEEK_END)
            name = artifact.name if isinstance(artifact, Artifact) else artifact
            sha256 = artifact.sha256 if isinstance(artifact, Artifact) else None
            yield FileContent(lambda: ctx.artifacts.open(artifact), size, sha256), Path(name).name, origin
        else:
            path = ctx.in_workdir(str(self.file))
            if not path.is_file():
                raise TaskFailed(
                    f"there is no file `{self.file}` in the work folder",
                    retryable=False,
                    hint="the flow's `files` are there; what another task made comes as its artifact",
                )
            yield FileContent(lambda: path.open("rb"), path.stat().st_size), path.name, None
