"""Trigger `mongo.query`: a flow for each document that appears behind a cursor."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from rota import Context, Event, Trigger
from rota_mongo.connection import Connection, Roles
from rota_mongo.extended_json import to_bson, to_json
from rota_mongo.operation import check_cancelled, connected, readable_of

if TYPE_CHECKING:
    from pymongo.collection import Collection

_LONGEST_KEY = 200


def _is_field(name: str) -> str:
    if not name or name.startswith("$"):
        raise ValueError(f"`{name}` is the name of no field; write it as in `paid_at`, or `state.changed_at`")
    return name


class Query(Connection, Trigger):
    """Start the flow for each document that a query finds behind the last one seen.

    Documents are taken in the order of `cursor`, then `_id`, and one that changes its place by a new value of
    `cursor` is seen again. What appears before the last one seen is missed: use a value that grows, such as a
    time of change, and an index on it.

    Example:
        - id: order_paid
          type: mongo.query
          uri: "{{ secret('shop#uri') }}"
          database: shop
          collection: orders
          filter: {state: paid}
          cursor: paid_at
          interval: 30s
    """

    database: str = Field(min_length=1)
    """The database."""
    collection: str = Field(min_length=1)
    """The collection."""
    filter: dict[str, Any] = Field(default_factory=dict, repr=False)
    """Which documents; extended JSON is understood. Default: all."""
    projection: dict[str, Any] | list[str] | None = None
    """Which of their fields come with the event; `cursor` is one of them."""
    cursor: Annotated[str, AfterValidator(_is_field)] = "_id"
    """The field that grows."""
    start: Literal["now", "beginning"] = "now"
    """Where the first look starts: behind what is there, or before it."""
    limit: int = Field(default=100, ge=1, le=10_000)
    """How many documents one look takes at most; the next one goes on from there."""
    read_preference: Roles = "primary"
    """Which members to read from."""

    def poll(self, ctx: Context) -> list[Event]:
        """Return the documents behind the place that is kept."""
        with connected(self, ctx, f"look into `{self.database}.{self.collection}`") as client:
            collection = readable_of(client, self.database, self.collection, self.read_preference)
            if "place" not in ctx.state:
                ctx.state["place"] = self._end(collection) if self.start == "now" else None
                if self.start == "now":
                    return []
            events = []
            with collection.find(self._behind(ctx.state["place"]), to_bson(self.projection)) as found:
                for document in found.sort(self._order(1)).limit(self.limit):
                    check_cancelled(ctx)
                    events.append(self._event(document))
                    place = self._place(document)
            if events:
                ctx.state["place"] = place
            return events

    def _order(self, direction: int) -> list[tuple[str, int]]:
        return [(name, direction) for name in dict.fromkeys((self.cursor, "_id"))]

    def _end(self, collection: Collection[dict[str, Any]]) -> Any:
        """Return the place of the last document there is now, whatever the filter says of it."""
        there = {self.cursor: {"$exists": True}}
        last = collection.find_one(there, {self.cursor: 1}, sort=self._order(-1))
        return None if last is None else self._place(last)

    def _place(self, document: dict[str, Any]) -> Any:
        return [to_json(_at(document, self.cursor), "canonical"), to_json(document["_id"], "canonical")]

    def _behind(self, place: Any) -> dict[str, Any]:
        wanted: list[Any] = [to_bson(self.filter), {self.cursor: {"$exists": True}}]
        if place is not None:
            value, last = to_bson(place)
            behind: dict[str, Any] = {self.cursor: {"$gt": value}}
            if self.cursor != "_id":
                behind = {"$or": [behind, {self.cursor: value, "_id": {"$gt": last}}]}
            wanted.append(behind)
        return {"$and": wanted}

    def _event(self, document: dict[str, Any]) -> Event:
        from bson import ObjectId

        value = _at(document, self.cursor)
        date = value.generation_time if isinstance(value, ObjectId) else value
        key = json.dumps(self._place(document), separators=(",", ":"), sort_keys=True)
        if len(key) > _LONGEST_KEY:
            key = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        return Event(key=key, data=to_json(document), date=date if isinstance(date, datetime) else None)


def _at(document: Any, path: str) -> Any:
    """Return the value at a dotted path, None where there is none."""
    for name in path.split("."):
        document = document.get(name) if isinstance(document, dict) else None
    return document
