"""Task types `mongo.command` and `mongo.create_index`."""

from __future__ import annotations

import contextvars
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rota import Context, Duration, TaskFailed
from rota_mongo.connection import CollectionTask, MongoTask, Roles
from rota_mongo.extended_json import ExtendedJson, to_bson, to_json
from rota_mongo.operation import connected, read_preference
from rota_mongo.replies import without_driver_fields


class Reply(BaseModel):
    """What the server answered."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    reply: dict[str, Any]
    """The reply, as extended JSON."""


class Command(MongoTask):
    """Run a database command, such as those of administration.

    Example:
        - id: profile
          type: mongo.command
          uri: "{{ secret('shop#admin_uri') }}"
          database: shop
          command: {profile: 1, slowms: 200}
    """

    command: str | dict[str, Any] = Field(min_length=1, repr=False)
    """The command: its name alone, or a mapping whose first key is its name. Extended JSON is understood."""
    database: str = Field(default="admin", min_length=1)
    """The database that it is sent to."""
    read_preference: Roles = "primary"
    """Which members may answer."""
    extended_json: ExtendedJson = "relaxed"
    """`canonical` keeps every type: `{"$numberInt": "5"}`."""
    repeatable: bool = False
    """Say that a second time does no harm: the command may then be run again by itself after a loss."""

    @property
    def idempotent(self) -> bool:  # type: ignore[override]
        """As `repeatable` says: nobody else can tell."""
        return self.repeatable

    @property
    def name(self) -> str:
        """The name of the command."""
        return self.command if isinstance(self.command, str) else next(iter(self.command))

    def run(self, ctx: Context) -> Reply:
        with connected(self, ctx, f"command `{self.name}` on `{self.database}`") as client:
            reply = client[self.database].command(
                to_bson(self.command), read_preference=read_preference(self.read_preference)
            )
        return Reply(reply=to_json(without_driver_fields(reply), self.extended_json))


class Index(BaseModel):
    """The index that there is now."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    name: str
    """Its name."""
    created: bool
    """Whether it was built now; false where the same was there already."""


class CreateIndex(CollectionTask):
    """Build an index, and wait until it is built; one that is there already is no error.

    An index that was cancelled half-built is dropped.

    Example:
        - id: by_customer
          type: mongo.create_index
          uri: "{{ secret('shop#uri') }}"
          database: shop
          collection: orders
          keys: {customer: 1, at: -1}
          unique: true
          timeout: 2h
    """

    idempotent: ClassVar[bool] = True

    keys: dict[str, Literal[1, -1, "2d", "2dsphere", "hashed", "text"]] = Field(min_length=1)
    """Fields to 1 (ascending), -1, or a kind such as `hashed`; the order counts."""
    name: str | None = None
    """Its name. Default: made of the keys, as `customer_1_at_-1`."""
    unique: bool = False
    """Refuse documents whose keys are there already."""
    sparse: bool = False
    """Leave out documents without the keys."""
    hidden: bool = False
    """Keep it up to date and use it for no query."""
    expire_after: Duration | None = None
    """Delete documents so long after the date in the key."""
    partial_filter: dict[str, Any] | None = None
    """Which documents belong into it."""
    collation: dict[str, Any] | None = None
    """How text is compared: `{locale: fr, strength: 1}`."""
    wildcard_projection: dict[str, Any] | None = None
    """Which fields a key `$**` means."""
    commit_quorum: int | str | None = None
    """How many members must be ready: a number, `majority` or `votingMembers`."""

    @model_validator(mode="after")
    def _expires_by_one_key(self) -> Self:
        if self.expire_after is not None and len(self.keys) != 1:
            raise ValueError("`expire_after` needs an index of one key")
        return self

    def run(self, ctx: Context) -> Index:
        doing = f"create an index on `{self.namespace}`"
        with connected(self, ctx, doing) as client:
            collection = client[self.database][self.collection]
            name = self.name or "_".join(f"{key}_{kind}" for key, kind in self.keys.items())
            before = set(collection.index_information())
            quorum = {} if self.commit_quorum is None else {"commitQuorum": self.commit_quorum}
            try:
                made = client[self.database].command(
                    {"createIndexes": self.collection, "indexes": [self._specification(name)], **quorum}
                )
            except Exception:
                if ctx.cancelled.is_set() and name not in before:
                    # In an empty context there is no deadline, which may be over.
                    contextvars.Context().run(self._drop, client, name)
                raise
        replies: list[Any] = list(made["raw"].values()) if "raw" in made else [made]  # `raw`: one per shard
        created = any(one.get("numIndexesAfter", 0) > one.get("numIndexesBefore", 0) for one in replies)
        return Index(name=name, created=created)

    def _specification(self, name: str) -> dict[str, Any]:
        options: dict[str, Any] = {
            "unique": self.unique or None,
            "sparse": self.sparse or None,
            "hidden": self.hidden or None,
            "expireAfterSeconds": None if self.expire_after is None else int(self.expire_after.total_seconds()),
            "partialFilterExpression": to_bson(self.partial_filter),
            "collation": to_bson(self.collation),
            "wildcardProjection": to_bson(self.wildcard_projection),
        }
        given = {option: value for option, value in options.items() if value is not None}
        return {"key": dict(self.keys), "name": name, **given}

    def _drop(self, client: Any, name: str) -> None:
        """Abort a build that goes on without us: MongoDB wants to be told by dropping the index."""
        import pymongo
        from pymongo.errors import OperationFailure, PyMongoError

        try:
            with pymongo.timeout(10):
                client[self.database][self.collection].drop_index(name)
        except OperationFailure as error:
            if error.code != 27:  # there is no such index any more
                raise TaskFailed(f"the build of the index `{name}` could not be aborted: {error}") from None
        except PyMongoError as error:
            raise TaskFailed(f"the build of the index `{name}` could not be aborted: {error}") from None
