"""Task type `mongo.bulk_write`: many writes to one collection in few round trips."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rota import Context
from rota_mongo.connection import WriteTask
from rota_mongo.extended_json import to_bson, to_json
from rota_mongo.operation import connected, writable
from rota_mongo.writing import REPEATABLE, Update_


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)


class InsertOne(_Part):
    """A document to insert."""

    document: dict[str, Any] = Field(repr=False)
    """The document."""


class UpdateOne(_Part):
    """A change of what a filter finds."""

    filter: dict[str, Any] = Field(repr=False)
    """Which documents."""
    update: Update_ = Field(repr=False)
    """Operators such as `$set`, or a pipeline."""
    upsert: bool = False
    """Insert a document where none is found."""
    array_filters: list[dict[str, Any]] | None = None
    """Which elements of arrays `$[name]` means."""


class ReplaceOne(_Part):
    """A document in place of the one that a filter finds."""

    filter: dict[str, Any] = Field(repr=False)
    """Which document."""
    document: dict[str, Any] = Field(repr=False)
    """The new document."""
    upsert: bool = False
    """Insert it where none is found."""


class DeleteOne(_Part):
    """What to delete."""

    filter: dict[str, Any] = Field(repr=False)
    """Which documents."""


class Operation(_Part):
    """One write: exactly one of its names is given."""

    insert_one: InsertOne | None = None
    """Insert a document."""
    update_one: UpdateOne | None = None
    """Change the first document that is found."""
    update_many: UpdateOne | None = None
    """Change all documents that are found."""
    replace_one: ReplaceOne | None = None
    """Replace the first document that is found."""
    delete_one: DeleteOne | None = None
    """Delete the first document that is found."""
    delete_many: DeleteOne | None = None
    """Delete all documents that are found."""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if len(self.model_fields_set) != 1 or self.chosen() is None:
            raise ValueError(f"each operation has one of {', '.join(f'`{name}`' for name in Operation.model_fields)}")
        return self

    def chosen(self) -> tuple[str, _Part] | None:
        """Return the name that is given, and what it holds."""
        found = ((name, getattr(self, name)) for name in self.model_fields_set)
        return next(((name, part) for name, part in found if part is not None), None)

    def repeatable(self) -> bool:
        """Say whether the second time changes nothing."""
        part = self.replace_one or self.delete_one or self.update_one
        if self.insert_one is not None:
            return False
        safe = True
        for update in (self.update_one, self.update_many):
            if update is not None:
                safe = isinstance(update.update, dict) and update.update.keys() <= REPEATABLE
        named = part is None or ("_id" in part.filter and not isinstance(part.filter["_id"], dict))
        return safe and named and not (self.update_many is not None and self.update_many.upsert)

    def request(self) -> Any:
        """Return pymongo's request."""
        import pymongo

        chosen = self.chosen()
        assert chosen is not None  # the validator saw to it
        name, part = chosen
        fields = {field: to_bson(getattr(part, field)) for field in type(part).model_fields}
        if "document" in fields:
            fields["replacement" if name == "replace_one" else "document"] = fields.pop("document")
        return getattr(pymongo, "".join(word.title() for word in name.split("_")))(**fields)


class BulkWritten(BaseModel):
    """What the writes did, counted over all of them."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    inserted: int
    """How many documents were inserted."""
    matched: int
    """How many documents were found to change."""
    modified: int
    """How many of them became different."""
    deleted: int
    """How many documents were deleted."""
    upserted: int
    """How many documents were inserted because none was found."""
    upserted_ids: dict[str, Any]
    """Their `_id`s, as extended JSON, by the number of the operation, from 0."""


class BulkWrite(WriteTask):
    """Do many writes, in few round trips.

    A failure keeps what was done before it, and with `ordered: false` beside it; the output says how much.

    Example:
        - id: inventory
          type: mongo.bulk_write
          uri: "{{ secret('inventory#uri') }}"
          database: inventory
          collection: clusters
          operations:
            - update_one: {filter: {_id: db-01}, update: {$set: {state: up}}, upsert: true}
            - delete_many: {filter: {state: gone}}
    """

    operations: list[Operation] = Field(repr=False)
    """The writes: `insert_one: {document}`, `update_one` or `update_many: {filter, update, upsert, array_filters}`,
    `replace_one: {filter, document, upsert}`, `delete_one` or `delete_many: {filter}`."""
    ordered: bool = True
    """Do them one after the other and stop at the first that fails; otherwise in any order, all of them."""

    @property
    def idempotent(self) -> bool:  # type: ignore[override]
        """It is when each of its operations is."""
        return all(operation.repeatable() for operation in self.operations)

    def run(self, ctx: Context) -> BulkWritten:
        with connected(self, ctx, f"write to `{self.namespace}`") as client:
            from pymongo.errors import BulkWriteError

            requests = [operation.request() for operation in self.operations]
            if not requests:
                return _written({})
            try:
                result = writable(self, client).bulk_write(requests, ordered=self.ordered)
            except BulkWriteError as error:
                ctx.output(_written(error.details))
                raise
            return _written(result.bulk_api_result)


def _written(counts: Any) -> BulkWritten:
    upserted = counts.get("upserted") or []
    return BulkWritten(
        inserted=counts.get("nInserted", 0),
        matched=counts.get("nMatched", 0),
        modified=counts.get("nModified", 0),
        deleted=counts.get("nRemoved", 0),
        upserted=counts.get("nUpserted", 0),
        upserted_ids={str(one["index"]): to_json(one["_id"]) for one in upserted},
    )
