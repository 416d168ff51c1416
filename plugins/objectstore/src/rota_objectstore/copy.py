"""Task types `objectstore.copy` and `objectstore.move`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, model_validator

from rota import Context, Task
from rota_objectstore.connection_fields import StoreFields, WritingFields
from rota_objectstore.places import ObjectUri, Place, Uri, parse_uri


class CopyDone(BaseModel):
    """The object that is there now."""

    uri: str
    """Its URI."""
    size: int
    """Its size in bytes."""
    etag: str | None
    """The ETag that the store gave it."""
    version: str | None
    """Its version, where the bucket keeps versions and the store says so."""
    sha256: str | None
    """The checksum of its content; null for a copy that the server made by itself."""
    written: bool
    """Whether it was written now: an object with this very content, already there, is left alone."""


class CopyFields(StoreFields, WritingFields):
    """From where, and where to."""

    source: ObjectUri
    """The object."""
    uri: Uri
    """Where to; with a `/` at its end, the folder it goes into under its own name."""
    source_store: StoreFields | None = None
    """How to reach the source, where that differs from how to reach `uri`."""
    overwrite: bool = False
    """Replace an object that is there."""

    @model_validator(mode="after")
    def _leads_elsewhere(self) -> CopyFields:
        if self.places[0] == self.places[1] and self.source_store is None:
            raise ValueError("`source` and `uri` are the same object")
        return self

    @property
    def places(self) -> tuple[Place, Place]:
        """The source and the target."""
        source, target = parse_uri(self.source), parse_uri(self.uri)
        return source, target.below(source.name) if target.is_folder else target


class Copy(CopyFields, Task):
    """Copy an object.

    Within a store the server copies by itself, whatever the size; from store to store it passes through Rota in
    constant memory, and its checksum is proved. An object that is there is never overwritten unless told.

    Example:
        - id: keep
          type: objectstore.copy
          source: s3://backups/nightly/db-17.gz
          uri: s3://archive/2026/db-17.gz
          endpoint: https://s3.bank.internal
          access_key: "{{ secret('s3/backup#access_key') }}"
          secret_key: "{{ secret('s3/backup#secret_key') }}"
    """

    idempotent: ClassVar[bool] = True

    def plan(self, ctx: Context) -> object:
        source, target = self.places
        return {"source": source.uri, "uri": target.uri, "overwrite": self.overwrite}

    def run(self, ctx: Context) -> CopyDone:
        from rota_objectstore.transfer import transfer

        return transfer(ctx, self, remove=False)


class Move(CopyFields, Task):
    """Move an object: copy it as `objectstore.copy` does, then delete the source.

    The source is deleted only when the copy is there with the size of the source, and if the source is still what was
    copied.

    Example:
        - id: take
          type: objectstore.move
          source: s3://incoming/statement.csv
          uri: s3://incoming/done/
          endpoint: https://s3.bank.internal
          access_key: "{{ secret('s3/flows#access_key') }}"
          secret_key: "{{ secret('s3/flows#secret_key') }}"
    """

    idempotent: ClassVar[bool] = False

    def plan(self, ctx: Context) -> object:
        source, target = self.places
        return {"source": source.uri, "uri": target.uri, "overwrite": self.overwrite}

    def run(self, ctx: Context) -> CopyDone:
        from rota_objectstore.transfer import transfer

        return transfer(ctx, self, remove=True)
