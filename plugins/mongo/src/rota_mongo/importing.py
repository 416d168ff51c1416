"""Task type `mongo.import`: documents from JSON Lines or BSON into a collection."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from struct import Struct
from typing import IO, TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from rota import Artifact, Context, TaskFailed
from rota_mongo.connection import WriteTask
from rota_mongo.failures import DUPLICATE
from rota_mongo.json_lines import line_decoder
from rota_mongo.operation import check_cancelled, connected, writable
from rota_mongo.streams import named, size_of, source

if TYPE_CHECKING:
    from pymongo.collection import Collection

_LENGTH = Struct("<i")
_LONGEST = 48 << 20
"""The longest line in bytes: a document is at most 16 MiB, and JSON is larger than BSON."""
_LARGEST = 16 << 20
_SMALLEST = 5
_BATCH = 2000
_BATCH_BYTES = 8 << 20


class Imported(BaseModel):
    """What was imported."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    documents: int
    """How many documents were read."""
    inserted: int
    """How many of them are new."""
    replaced: int
    """How many took the place of one that was there, with `mode: replace`."""
    skipped: int
    """How many were there already, with `mode: skip`."""


class Import(WriteTask):
    """Write documents from JSON Lines or BSON into a collection, streamed.

    Files of `mongo.export`, of `mongoexport`, and `.bson` files of `mongodump` are read, with or without gzip. A
    failure keeps what was written before it; the output says how much.

    Example:
        - id: orders
          type: mongo.import
          uri: "{{ secret('test#uri') }}"
          database: shop
          collection: orders
          file: "{{ outputs.export.artifact }}"
          mode: replace
    """

    type_name: ClassVar[str | None] = "import"

    file: Artifact | str
    """An artifact, its uri, an absolute path, or a path in the work folder (one of the flow's `files`)."""
    format: Literal["auto", "jsonl", "bson"] = "auto"
    """What is in it. Default: as it looks."""
    sha256: str | None = Field(default=None, pattern=r"^[0-9A-Fa-f]{64}$")
    """What its SHA-256 must be; it is read once before anything is written."""
    mode: Literal["insert", "replace", "skip"] = "insert"
    """What to do about an `_id` that is there already: fail, `replace` the document, or `skip` it."""

    @property
    def idempotent(self) -> bool:  # type: ignore[override]
        """It is where documents that are there are replaced or skipped, and name themselves, as exported ones do."""
        return self.mode != "insert"

    def run(self, ctx: Context) -> Imported:
        done = Imported(documents=0, inserted=0, replaced=0, skipped=0)
        doing, total, shown = f"import into `{self.namespace}`", size_of(ctx, self.file), time.monotonic()
        with connected(self, ctx, doing) as client, source(ctx, self.file, self.sha256) as (counted, plain):
            collection = writable(self, client)
            documents = self._documents(plain)
            try:
                while batch := _batch(documents):
                    check_cancelled(ctx)
                    self._write(collection, batch, done)
                    if time.monotonic() - shown >= 1:
                        shown = time.monotonic()
                        ctx.progress(counted.done, total)
            except BaseException:
                ctx.output(done)
                raise
        ctx.progress(counted.done, total)
        return done

    def _documents(self, plain: Any) -> Iterator[tuple[Any, int]]:
        """Yield the documents of a file with their sizes in bytes."""
        name = named(self.file)
        # BSON opens with its length in four bytes, the last of which is 0, and text has no 0 anywhere.
        if self.format == "bson" or (self.format == "auto" and b"\0" in plain.peek(4)[:4]):
            return _from_bson(plain, name)
        return _from_lines(plain, name)

    def _write(self, collection: Collection[dict[str, Any]], batch: list[Any], done: Imported) -> None:
        from pymongo import ReplaceOne
        from pymongo.errors import BulkWriteError

        before = done.documents
        done.documents += len(batch)
        try:
            if self.mode != "replace":
                collection.insert_many(batch, ordered=False)
                done.inserted += len(batch)
                return
            requests = [_replacement(ReplaceOne, document, before + index) for index, document in enumerate(batch, 1)]
            result = collection.bulk_write(requests, ordered=False)
            done.replaced += result.matched_count
            done.inserted += result.upserted_count
        except BulkWriteError as error:
            details: Any = error.details
            problems = details.get("writeErrors") or []
            done.inserted += details.get("nInserted", 0) + details.get("nUpserted", 0)
            done.replaced += details.get("nMatched", 0)
            lasting = [problem for problem in problems if problem["code"] not in DUPLICATE]
            if self.mode != "skip" or lasting or details.get("writeConcernErrors"):
                raise
            done.skipped += len(problems)


def _replacement(request: Any, document: Any, number: int) -> Any:
    if "_id" not in document:
        raise TaskFailed(f"document {number} has no `_id`, which `mode: replace` needs", retryable=False)
    return request({"_id": document["_id"]}, document, upsert=True)


def _batch(documents: Iterator[tuple[Any, int]]) -> list[Any]:
    """Return the next documents, as many as fit into one round trip and into little memory."""
    batch, size = [], 0
    for document, length in islice(documents, _BATCH):
        batch.append(document)
        size += length
        if size >= _BATCH_BYTES:
            break
    return batch


def _from_lines(plain: IO[bytes], name: str) -> Iterator[tuple[Any, int]]:
    from bson.errors import BSONError

    decode = line_decoder().decode
    number = 0
    while line := plain.readline(_LONGEST):
        number += 1
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            if not text:
                continue
            document = decode(text)
        except UnicodeDecodeError:
            raise TaskFailed(f"line {number} of {name} is not UTF-8", retryable=False) from None
        except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError, BSONError, RecursionError) as error:
            what = "is too long" if len(line) == _LONGEST else f"is no extended JSON: {error}"
            raise TaskFailed(f"line {number} of {name} {what}", retryable=False) from None
        if not isinstance(document, dict):
            hint = "a line for each document, as `mongoexport` writes without `--jsonArray`"
            raise TaskFailed(f"line {number} of {name} is no document", retryable=False, hint=hint)
        yield document, len(line)


def _from_bson(plain: IO[bytes], name: str) -> Iterator[tuple[Any, int]]:
    from bson.errors import InvalidBSON
    from bson.raw_bson import RawBSONDocument

    number = 0
    while head := plain.read(4):
        number += 1
        length = _LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else 0
        if not _SMALLEST <= length <= _LARGEST + 16384:
            raise TaskFailed(f"document {number} of {name} is no BSON: its length is {length}", retryable=False)
        data = head + plain.read(length - 4)
        if len(data) != length:
            raise TaskFailed(f"{name} is cut off in document {number}", retryable=False)
        try:
            yield RawBSONDocument(data), length
        except InvalidBSON as error:
            raise TaskFailed(f"document {number} of {name} is no BSON: {error}", retryable=False) from None
