"""Task type `mongo.export`: the documents of a collection as JSON Lines or BSON."""

from __future__ import annotations

import time
from collections.abc import Iterator
from struct import Struct
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field

from rota import Context
from rota_mongo.connection import CollectionTask, Roles
from rota_mongo.extended_json import ExtendedJson, to_bson
from rota_mongo.json_lines import line_encoder
from rota_mongo.operation import check_cancelled, connected, readable
from rota_mongo.reading import hint_of
from rota_mongo.streams import Compression, Sink, Stored, is_absolute, sink

if TYPE_CHECKING:
    from rota_mongo.client import Client

Format = Literal["jsonl", "bson"]

_LENGTH = Struct("<i")
_BATCH = 4000
"""Documents that the server sends at once, if they are less than 16 MiB: what is held in memory."""


class Exported(Stored):
    """What was exported, and where it is."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    documents: int
    """How many documents there are."""
    raw_bytes: int
    """How many bytes they are before compression."""
    format: str
    """`jsonl` or `bson`."""


class Export(CollectionTask):
    """Write the documents of a collection to an artifact or a file, streamed.

    The file is there, whole, only when all went well. It is no snapshot: what is written meanwhile may be in it.

    Example:
        - id: orders
          type: mongo.export
          uri: "{{ secret('shop#uri') }}"
          database: shop
          collection: orders
          filter: {state: paid}
          sort: {_id: 1}
    """

    idempotent: ClassVar[bool] = True

    file: Annotated[str | None, AfterValidator(is_absolute)] = None
    """Absolute path of the file to write. Default: an artifact."""
    format: Format = "jsonl"
    """`jsonl` is a line of extended JSON for each document; `bson` is byte for byte what the server has."""
    extended_json: ExtendedJson = "relaxed"
    """How `jsonl` writes types: `canonical` keeps every one, `relaxed` writes numbers as numbers."""
    compression: Compression = "gzip"
    """`gzip` or `none`."""
    level: int = Field(default=3, ge=1, le=9)
    """How hard to compress."""
    filter: dict[str, Any] = Field(default_factory=dict, repr=False)
    """Which documents; extended JSON is understood. Default: all."""
    projection: dict[str, Any] | list[str] | None = None
    """Which of their fields. Default: all."""
    sort: dict[str, Any] | None = None
    """In which order: fields to 1 or -1. Default: as they come."""
    limit: int = Field(default=0, ge=0)
    """How many at most; 0 is all."""
    hint: str | dict[str, Any] | None = None
    """The index to use: its name or its keys."""
    read_preference: Roles = "primary"
    """Which members to read from."""

    def run(self, ctx: Context) -> Exported:
        name = f"{self.collection}.{self.format}" + (".gz" if self.compression == "gzip" else "")
        with connected(self, ctx, f"export `{self.namespace}`") as client:
            with sink(ctx, self.file, name, self.compression, self.level) as out:
                documents = self._write(client, ctx, out)
            ctx.progress(documents, documents)
        return Exported(
            **dict(out.stored),
            documents=documents,
            raw_bytes=out.raw_bytes,
            format=self.format,
        )

    def _write(self, client: Client, ctx: Context, out: Sink) -> int:
        collection = readable(self, client, self.read_preference, unicode_decode_error_handler="strict")
        total = None if self.filter or self.limit else collection.estimated_document_count()
        lines = line_encoder(self.extended_json) if self.format == "jsonl" else None
        documents, shown = 0, time.monotonic()
        for batch in self._batches(collection, ctx):
            if lines is None:
                documents += count(batch)
                out.write(batch)
            else:
                data, number = lines(batch)
                documents += number
                out.write(data)
            if time.monotonic() - shown >= 1:
                shown = time.monotonic()
                ctx.progress(documents, None if total is None else max(total, documents))
        return documents

    def _batches(self, collection: Any, ctx: Context) -> Iterator[bytes]:
        found = collection.find_raw_batches(
            to_bson(self.filter),
            to_bson(self.projection),
            sort=None if self.sort is None else list(to_bson(self.sort).items()),
            limit=self.limit,
            hint=hint_of(self.hint),
            batch_size=_BATCH,
            comment=f"rota {ctx.execution_id} {ctx.task_run_id}",
        )
        with found:
            for batch in found:
                check_cancelled(ctx)
                yield batch


def count(batch: bytes) -> int:
    """Return how many BSON documents stand in `batch`, one after another."""
    place, documents, end, length = 0, 0, len(batch), _LENGTH.unpack_from
    while place < end:
        place += length(batch, place)[0]
        documents += 1
    return documents
