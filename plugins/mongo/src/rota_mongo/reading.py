"""Task types `mongo.find` and `mongo.aggregate`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from rota import Context, TaskFailed
from rota_mongo.connection import CollectionTask, Roles
from rota_mongo.extended_json import ExtendedJson, to_bson, to_json
from rota_mongo.operation import check_cancelled, connected, readable

MAX_BYTES = 16 << 20
"""The largest output, in bytes of BSON."""


class Documents(BaseModel):
    """The documents that were found."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    documents: list[Any]
    """The documents, as extended JSON: an ObjectId is `{"$oid": "…"}`, a date `{"$date": "…"}`."""
    count: int
    """How many there are in `documents`."""
    truncated: bool
    """Whether `limit` left some out."""


class Find(CollectionTask):
    """Read documents of a collection.

    Example:
        - id: open_orders
          type: mongo.find
          uri: "{{ secret('shop#uri') }}"
          database: shop
          collection: orders
          filter: {state: open, _id: {$gt: {$oid: 64b000000000000000000000}}}
          projection: {customer: 1}
          sort: {at: -1}
          limit: 50
    """

    idempotent: ClassVar[bool] = True

    filter: dict[str, Any] = Field(default_factory=dict, repr=False)
    """Which documents; extended JSON is understood. Default: all."""
    projection: dict[str, Any] | list[str] | None = None
    """Which of their fields. Default: all."""
    sort: dict[str, Any] | None = None
    """In which order: fields to 1 or -1, the first counts most."""
    skip: int = Field(default=0, ge=0)
    """How many to leave out first."""
    limit: int = Field(default=1000, ge=1, le=1_000_000)
    """How many at most. `mongo.export` is for more than fits an output."""
    hint: str | dict[str, Any] | None = None
    """The index to use: its name or its keys."""
    collation: dict[str, Any] | None = None
    """How text is compared: `{locale: fr, strength: 1}`."""
    required: bool = False
    """Fail where nothing is found."""
    extended_json: ExtendedJson = "relaxed"
    """`canonical` keeps every type: `{"$numberInt": "5"}`."""
    read_preference: Roles = "primary"
    """Which members to read from."""

    def run(self, ctx: Context) -> Documents:
        doing = f"find in `{self.namespace}`"
        with connected(self, ctx, doing) as client:
            from bson.raw_bson import RawBSONDocument

            collection = readable(self, client, self.read_preference, document_class=RawBSONDocument)
            found = collection.find(
                to_bson(self.filter),
                to_bson(self.projection),
                skip=self.skip,
                limit=self.limit + 1,
                sort=None if self.sort is None else list(to_bson(self.sort).items()),
                hint=hint_of(self.hint),
                collation=to_bson(self.collation),
                comment=f"rota {ctx.execution_id} {ctx.task_run_id}",
            )
            with found:
                documents = gathered(found, self.limit, self.extended_json, ctx, doing)
        if self.required and not documents.count:
            raise TaskFailed(f"{doing}: nothing is found")
        return documents


class Aggregate(CollectionTask):
    """Run an aggregation pipeline.

    Example:
        - id: usage
          type: mongo.aggregate
          uri: "{{ secret('shop#uri') }}"
          database: shop
          collection: orders
          pipeline:
            - $match: {state: paid}
            - $group: {_id: $customer, total: {$sum: $amount}}
    """

    pipeline: list[dict[str, Any]] = Field(repr=False)
    """The stages; extended JSON is understood."""
    limit: int = Field(default=1000, ge=1, le=1_000_000)
    """How many results to keep at most."""
    allow_disk_use: bool = False
    """Let the server use files for what does not fit its memory."""
    hint: str | dict[str, Any] | None = None
    """The index to use: its name or its keys."""
    collation: dict[str, Any] | None = None
    """How text is compared: `{locale: fr, strength: 1}`."""
    extended_json: ExtendedJson = "relaxed"
    """`canonical` keeps every type: `{"$numberInt": "5"}`."""
    read_preference: Roles = "primary"
    """Which members to read from."""

    @property
    def idempotent(self) -> bool:  # type: ignore[override]
        """A pipeline that only reads is, and one that replaces a collection; `$merge` may add twice."""
        return not any("$merge" in stage for stage in self.pipeline)

    def run(self, ctx: Context) -> Documents:
        doing = f"aggregate `{self.namespace}`"
        with connected(self, ctx, doing) as client:
            from bson.raw_bson import RawBSONDocument

            collection = readable(self, client, self.read_preference, document_class=RawBSONDocument)
            given = {"hint": hint_of(self.hint), "collation": to_bson(self.collation)}
            found = collection.aggregate(
                to_bson(self.pipeline),
                allowDiskUse=self.allow_disk_use,
                comment=f"rota {ctx.execution_id} {ctx.task_run_id}",
                **{name: value for name, value in given.items() if value is not None},
            )
            with found:
                return gathered(found, self.limit, self.extended_json, ctx, doing)


def hint_of(hint: str | dict[str, Any] | None) -> Any:
    """Return the index of a hint as pymongo takes it."""
    return list(to_bson(hint).items()) if isinstance(hint, dict) else hint


def gathered(found: Iterable[Any], limit: int, form: str, ctx: Context, doing: str) -> Documents:
    """Return up to `limit` raw documents as extended JSON. Raises TaskFailed when they are too many bytes."""
    documents: list[Any] = []
    size = 0
    for document in found:
        check_cancelled(ctx)
        if len(documents) == limit:
            return Documents(documents=documents, count=limit, truncated=True)
        size += len(document.raw)
        if size > MAX_BYTES:
            raise TaskFailed(
                f"{doing}: more than {MAX_BYTES >> 20} MiB were found",
                retryable=False,
                hint="use `mongo.export`, a `projection`, or a smaller `limit`",
            )
        documents.append(to_json(document, form))
    return Documents(documents=documents, count=len(documents), truncated=False)
