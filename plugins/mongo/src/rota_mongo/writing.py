"""Task types `mongo.insert`, `mongo.update`, `mongo.replace` and `mongo.delete`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from rota import Context, TaskFailed
from rota_mongo.connection import WriteTask
from rota_mongo.extended_json import to_bson, to_json
from rota_mongo.failures import DUPLICATE
from rota_mongo.operation import connected, writable

Update_ = dict[str, Any] | list[dict[str, Any]]

REPEATABLE = frozenset({"$set", "$unset", "$setOnInsert", "$addToSet", "$pull", "$pullAll", "$min", "$max"})
"""Operators that change nothing the second time."""


class Inserted(BaseModel):
    """What was inserted."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    count: int
    """How many documents were inserted."""
    ids: list[Any]
    """Their `_id`s, as extended JSON; those that were there already are not among them."""
    skipped: int
    """How many were there already, with `on_duplicate: skip`."""


class Insert(WriteTask):
    """Insert documents.

    Example:
        - id: record
          type: mongo.insert
          uri: "{{ secret('reports#uri') }}"
          database: reports
          collection: backups
          documents:
            - {_id: "{{ execution.id }}", cluster: db-01, at: {$date: "2026-07-01T02:00:00Z"}}
          on_duplicate: skip
    """

    documents: list[dict[str, Any]] = Field(repr=False)
    """The documents; extended JSON is understood. One without an `_id` gets an ObjectId."""
    on_duplicate: Literal["fail", "skip"] = "fail"
    """What to do about a document whose `_id`, or other unique value, is there already."""

    @property
    def idempotent(self) -> bool:  # type: ignore[override]
        """It is where documents name themselves and those that are there are skipped."""
        return self.on_duplicate == "skip" and all("_id" in document for document in self.documents)

    def run(self, ctx: Context) -> Inserted:
        with connected(self, ctx, f"insert into `{self.namespace}`") as client:
            from bson import ObjectId
            from pymongo.errors import BulkWriteError

            documents = [{"_id": ObjectId(), **document} for document in to_bson(self.documents)]
            if not documents:
                return Inserted(count=0, ids=[], skipped=0)
            refused: set[int] = set()
            try:
                writable(self, client).insert_many(documents, ordered=self.on_duplicate == "fail")
            except BulkWriteError as error:
                refused = _only_duplicates(error) if self.on_duplicate == "skip" else set()
                if not refused:
                    raise
        ids = [to_json(document["_id"]) for index, document in enumerate(documents) if index not in refused]
        return Inserted(count=len(ids), ids=ids, skipped=len(refused))


def _only_duplicates(error: Any) -> set[int]:
    """Return which documents were there already, and none at all when anything else went wrong too."""
    problems = error.details.get("writeErrors") or []
    if error.details.get("writeConcernErrors") or any(problem["code"] not in DUPLICATE for problem in problems):
        return set()
    return {problem["index"] for problem in problems}


class Updated(BaseModel):
    """What was updated or replaced."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    matched: int
    """How many documents the filter found."""
    modified: int
    """How many of them became different."""
    upserted_id: Any
    """The `_id` of the document that was inserted because none was found, as extended JSON."""


class _Changing(WriteTask):
    """A task that changes what a filter finds."""

    filter: dict[str, Any] = Field(repr=False)
    """Which documents; extended JSON is understood. `{}` is all."""
    hint: str | None = None
    """The name of the index to use."""
    collation: dict[str, Any] | None = None
    """How text is compared: `{locale: fr, strength: 1}`."""

    def names_one(self) -> bool:
        """Say whether the filter names one document by its `_id`."""
        value = self.filter.get("_id")
        operator = isinstance(value, dict) and any(key.startswith("$") and key != "$oid" for key in value)
        return value is not None and not operator

    def given(self) -> dict[str, Any]:
        """Return the options that are set, as pymongo takes them."""
        given = {"hint": self.hint, "collation": to_bson(self.collation)}
        return {name: value for name, value in given.items() if value is not None}

    def plan(self, ctx: Context) -> object:
        """Count what the filter finds."""
        with connected(self, ctx, f"count in `{self.namespace}`") as client:
            return {"matches": client[self.database][self.collection].count_documents(to_bson(self.filter))}


class Update(_Changing):
    """Change fields of documents.

    Example:
        - id: mark
          type: mongo.update
          uri: "{{ secret('inventory#uri') }}"
          database: inventory
          collection: clusters
          filter: {_id: db-01}
          update: {$set: {version: "8.0", seen: {$date: "2026-07-01T02:00:00Z"}}}
          upsert: true
    """

    update: Update_ = Field(min_length=1, repr=False)
    """Operators such as `$set`, or a pipeline (a list of stages)."""
    many: bool = False
    """Change all that the filter finds, and not only the first."""
    upsert: bool = False
    """Insert a document where none is found."""
    array_filters: list[dict[str, Any]] | None = None
    """Which elements of arrays `$[name]` means."""

    @field_validator("update")
    @classmethod
    def _has_operators(cls, update: Update_) -> Update_:
        if isinstance(update, dict) and not all(name.startswith("$") for name in update):
            raise ValueError("`update` has operators such as `$set`; `mongo.replace` takes a whole document")
        return update

    @property
    def idempotent(self) -> bool:  # type: ignore[override]
        """It is with operators that set, and a filter that finds the same documents again."""
        safe = isinstance(self.update, dict) and self.update.keys() <= REPEATABLE
        return safe and ((self.many and not self.upsert) or self.names_one())

    def run(self, ctx: Context) -> Updated:
        with connected(self, ctx, f"update `{self.namespace}`") as client:
            collection = writable(self, client)
            change = collection.update_many if self.many else collection.update_one
            result = change(
                to_bson(self.filter),
                to_bson(self.update),
                upsert=self.upsert,
                array_filters=to_bson(self.array_filters),
                **self.given(),
            )
            return _updated(result)


class Replace(_Changing):
    """Replace one document.

    Example:
        - id: publish
          type: mongo.replace
          uri: "{{ secret('reports#uri') }}"
          database: reports
          collection: clusters
          filter: {_id: db-01}
          document: {state: up, checked: {$date: "2026-07-01T02:00:00Z"}}
          upsert: true
    """

    document: dict[str, Any] = Field(repr=False)
    """The new document; extended JSON is understood. It keeps the `_id`."""
    upsert: bool = False
    """Insert it where none is found."""
    required: bool = False
    """Fail where none is found, and none was inserted."""

    @property
    def idempotent(self) -> bool:  # type: ignore[override]
        """It is where the filter names the document by its `_id`."""
        return self.names_one()

    @field_validator("document")
    @classmethod
    def _is_a_document(cls, document: dict[str, Any]) -> dict[str, Any]:
        if any(name.startswith("$") for name in document):
            raise ValueError("`document` is a whole document; `mongo.update` takes operators such as `$set`")
        return document

    def run(self, ctx: Context) -> Updated:
        doing = f"replace in `{self.namespace}`"
        with connected(self, ctx, doing) as client:
            result = writable(self, client).replace_one(
                to_bson(self.filter), to_bson(self.document), upsert=self.upsert, **self.given()
            )
        if self.required and not result.matched_count and result.upserted_id is None:
            raise TaskFailed(f"{doing}: nothing is found")
        return _updated(result)


class Deleted(BaseModel):
    """What was deleted."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    count: int
    """How many documents were deleted."""


class Delete(_Changing):
    """Delete documents.

    Example:
        - id: forget
          type: mongo.delete
          uri: "{{ secret('reports#uri') }}"
          database: reports
          collection: backups
          filter: {at: {$lt: {$date: "2026-01-01T00:00:00Z"}}}
          many: true
    """

    many: bool = False
    """Delete all that the filter finds, and not only the first."""

    @property
    def idempotent(self) -> bool:  # type: ignore[override]
        """It is where the filter names all of them, or one by its `_id`."""
        return self.many or self.names_one()

    def run(self, ctx: Context) -> Deleted:
        with connected(self, ctx, f"delete in `{self.namespace}`") as client:
            collection = writable(self, client)
            delete = collection.delete_many if self.many else collection.delete_one
            return Deleted(count=delete(to_bson(self.filter), **self.given()).deleted_count)


def _updated(result: Any) -> Updated:
    return Updated(
        matched=result.matched_count, modified=result.modified_count, upserted_id=to_json(result.upserted_id)
    )
