"""Trigger `mongo.change_stream`: a flow for each change, with the place in the stream kept."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from rota import Context, Event, TaskFailed, Trigger
from rota_mongo.connection import Connection
from rota_mongo.extended_json import to_bson, to_json
from rota_mongo.operation import connected

if TYPE_CHECKING:
    from pymongo.change_stream import ChangeStream

    from rota_mongo.client import Client

Change = Literal[
    "insert", "update", "replace", "delete", "drop", "dropDatabase", "rename", "create", "createIndexes", "dropIndexes"
]
_LOST = frozenset({280, 286})
"""ChangeStreamFatalError and ChangeStreamHistoryLost."""
_LONGEST_KEY = 200
_LONGEST_LOOK = 5.0


class Changes(Connection, Trigger):
    """Start the flow for each change of a collection, a database or all of them.

    The place in the stream is kept with the events, so that none is lost and none comes twice, also over restarts,
    as long as the server's oplog reaches back. It needs a replica set or a sharded cluster.

    Example:
        - id: cluster_changed
          type: mongo.change_stream
          uri: "{{ secret('inventory#uri') }}"
          database: inventory
          collection: clusters
          operations: [insert, update, replace]
          full_document: true
          interval: 10s
    """

    type_name: ClassVar[str | None] = "change_stream"

    database: str | None = Field(default=None, min_length=1)
    """The database. Default: all."""
    collection: str | None = Field(default=None, min_length=1)
    """The collection of the database. Default: all."""
    operations: list[Change] = Field(default_factory=list)
    """Which kinds of changes. Default: all."""
    pipeline: list[dict[str, Any]] = Field(default_factory=list, repr=False)
    """Further stages, such as `$match`, that changes go through; they must keep `_id`."""
    full_document: bool = False
    """Add to an update the document as it is when the change is read, as `fullDocument`."""
    before_change: bool = False
    """Add the document as it was, as `fullDocumentBeforeChange`, where the collection keeps that."""
    limit: int = Field(default=1000, ge=1, le=10_000)
    """How many changes one look takes at most; the next one goes on from there."""
    on_gap: Literal["fail", "skip"] = "fail"
    """What to do when the oplog does not reach back to the place that is kept: `skip` goes on from now."""

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if self.collection and self.database is None:
            raise ValueError("`collection` needs `database`")
        return self

    def poll(self, ctx: Context) -> list[Event]:
        """Return the changes since the place that is kept."""
        what = ".".join(filter(None, [self.database, self.collection])) or self.place()
        with connected(self, ctx, f"read the changes of `{what}`") as client:
            from pymongo.errors import OperationFailure

            try:
                return self._read(client, ctx)
            except OperationFailure as error:
                if error.code not in _LOST:
                    raise
                if self.on_gap == "fail":
                    hint = "`on_gap: skip` goes on from now, and leaves out what is gone"
                    raise TaskFailed(
                        f"the changes of `{what}` since the last look are gone from the oplog",
                        retryable=False,
                        hint=hint,
                    ) from None
                ctx.log.warning(f"changes of `{what}` are gone from the oplog: going on from now")
                ctx.state["token"] = None
                return self._read(client, ctx)

    def _read(self, client: Client, ctx: Context) -> list[Event]:
        events: list[Event] = []
        end = time.monotonic() + _LONGEST_LOOK
        with self._open(client, ctx.state.get("token")) as stream:
            while len(events) < self.limit and not ctx.cancelled.is_set() and time.monotonic() < end:
                change = stream.try_next()
                if change is None:
                    break
                events.append(_event(change))
                if change["operationType"] == "invalidate":
                    break
            token: Any = stream.resume_token
        # A cancelled look is not counted, and must not move the place.
        if token is not None and not ctx.cancelled.is_set():
            ctx.state["token"] = to_json(token, "canonical")
        return events

    def _open(self, client: Client, token: Any) -> ChangeStream[dict[str, Any]]:
        kinds = [*self.operations, "invalidate"]
        stages = [{"$match": {"operationType": {"$in": kinds}}}] if self.operations else []
        options: dict[str, Any] = {
            # After an `invalidate` only `startAfter` goes on, and it does so after any other change too.
            "start_after": to_bson(token),
            "full_document": "updateLookup" if self.full_document else None,
            "full_document_before_change": "whenAvailable" if self.before_change else None,
            "max_await_time_ms": 200,
        }
        given = {name: value for name, value in options.items() if value is not None}
        place: Any = client
        if self.database is not None:
            place = client[self.database] if self.collection is None else client[self.database][self.collection]
        stream: ChangeStream[dict[str, Any]] = place.watch([*stages, *to_bson(self.pipeline)], **given)
        return stream


def _event(change: dict[str, Any]) -> Event:
    token = change["_id"].get("_data")
    key = token if isinstance(token, str) else repr(change["_id"])
    if len(key) > _LONGEST_KEY:
        key = hashlib.sha256(key.encode()).hexdigest()
    return Event(key=key, data=to_json(change), date=change.get("wallTime"))
