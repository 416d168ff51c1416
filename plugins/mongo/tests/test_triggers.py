"""Tests of the triggers, by themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from rota import TaskFailed
from rota.testing import RecordedContext
from rota_mongo.query_trigger import Query
from rota_mongo.stream_trigger import Changes

if TYPE_CHECKING:
    from pymongo import MongoClient
    from pymongo.collection import Collection

    Client = MongoClient[dict[str, Any]]
    Stored = Collection[dict[str, Any]]

Where = dict[str, Any]

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def ids(events: list[Any]) -> list[Any]:
    return [event.data["_id"] for event in events]


def test_a_query_sees_what_comes_after_the_first_look(ctx: RecordedContext, orders: Where, stored: Stored) -> None:
    stored.insert_one({"_id": 1, "state": "paid"})
    trigger = Query(**orders, filter={"state": "paid"})
    assert trigger.poll(ctx) == []
    stored.insert_many([{"_id": 2, "state": "paid"}, {"_id": 3, "state": "open"}, {"_id": 4, "state": "paid"}])
    assert ids(trigger.poll(ctx)) == [2, 4]
    assert trigger.poll(ctx) == []
    assert Query(**orders, filter={"state": "nothing"}).poll(ctx) == []


def test_a_query_on_a_collection_that_is_empty_sees_the_first_document(
    ctx: RecordedContext, orders: Where, stored: Stored
) -> None:
    trigger = Query(**orders)
    assert trigger.poll(ctx) == []
    stored.insert_one({})
    (event,) = trigger.poll(ctx)
    assert event.date is not None
    assert abs(event.date - datetime.now(UTC)) < timedelta(hours=1)  # that of the ObjectId


def test_a_query_from_the_beginning_takes_so_many_at_a_time(
    ctx: RecordedContext, orders: Where, stored: Stored
) -> None:
    # All at the same time: the place between them is kept by `_id`.
    stored.insert_many([{"_id": number, "at": NOON} for number in range(5)])
    trigger = Query(**orders, cursor="at", start="beginning", limit=2, projection=["at"])
    looks = [trigger.poll(ctx) for _ in range(4)]
    assert [ids(look) for look in looks] == [[0, 1], [2, 3], [4], []]
    assert looks[0][0].date == NOON
    assert len({event.key for look in looks for event in look}) == 5
    stored.update_one({"_id": 0}, {"$set": {"at": NOON + timedelta(hours=1)}})
    (again,) = trigger.poll(ctx)
    assert (again.data["_id"], again.key == looks[0][0].key) == (0, False)


def test_a_query_looks_at_a_field_within(ctx: RecordedContext, orders: Where, stored: Stored) -> None:
    stored.insert_many(
        [{"_id": 1, "meta": {"n": 2}}, {"_id": 2, "meta": {"n": 1}}, {"_id": 3, "meta": 5}, {"_id": "x" * 300}]
    )
    trigger = Query(**orders, cursor="meta.n", start="beginning")
    assert ids(trigger.poll(ctx)) == [2, 1]
    stored.insert_one({"_id": "y" * 300, "meta": {"n": 3}})
    (event,) = trigger.poll(ctx)
    assert len(event.key) <= 200


def test_a_look_that_fails_keeps_the_place(ctx: RecordedContext, orders: Where, stored: Stored) -> None:
    stored.insert_one({"_id": 1})
    trigger = Query(**orders, start="beginning")
    assert ids(trigger.poll(ctx)) == [1]
    before = dict(ctx.state)
    with pytest.raises(TaskFailed, match="look into"):
        Query(**orders, filter={"$nonsense": 1}).poll(ctx)
    assert dict(ctx.state) == before


@pytest.mark.parametrize("cursor", ["", "$paid_at"])
def test_a_cursor_is_the_name_of_a_field(orders: Where, cursor: str) -> None:
    with pytest.raises(ValidationError, match="is the name of no field"):
        Query(**orders, cursor=cursor)


def kinds(events: list[Any]) -> list[Any]:
    return [(event.data["operationType"], event.data.get("documentKey", {}).get("_id")) for event in events]


def test_a_change_stream_goes_on_where_it_was(ctx: RecordedContext, orders: Where, stored: Stored) -> None:
    stored.insert_one({"_id": 0})
    trigger = Changes(**orders, full_document=True)
    assert trigger.poll(ctx) == []
    stored.insert_one({"_id": 1, "at": NOON})
    stored.update_one({"_id": 1}, {"$set": {"a": 1}})
    first = trigger.poll(ctx)
    assert kinds(first) == [("insert", 1), ("update", 1)]
    assert first[1].data["fullDocument"] == {"_id": 1, "at": {"$date": "2026-07-01T12:00:00Z"}, "a": 1}
    stored.delete_one({"_id": 1})
    assert kinds(trigger.poll(ctx)) == [("delete", 1)]
    assert trigger.poll(ctx) == []
    assert len({event.key for event in first}) == 2
    # What was not committed is seen again, with the same keys.
    ctx.state["token"] = {"_data": first[0].key}
    again = trigger.poll(ctx)
    assert (kinds(again), again[0].key) == ([("update", 1), ("delete", 1)], first[1].key)


def test_a_change_stream_takes_some_kinds_and_so_many_at_a_time(
    ctx: RecordedContext, orders: Where, stored: Stored
) -> None:
    trigger = Changes(**orders, operations=["insert"], pipeline=[{"$match": {"fullDocument.take": True}}], limit=2)
    trigger.poll(ctx)
    stored.insert_many([{"_id": number, "take": number != 1} for number in range(5)])
    stored.delete_many({})
    assert [kinds(trigger.poll(ctx)) for _ in range(3)] == [
        [("insert", 0), ("insert", 2)], [("insert", 3), ("insert", 4)], [],
    ]  # fmt: skip


def test_a_change_stream_of_a_database_and_of_all(ctx: RecordedContext, orders: Where, stored: Stored) -> None:
    one = Changes(uri=orders["uri"], database=orders["database"])
    every = Changes(uri=orders["uri"], pipeline=[{"$match": {"ns.db": orders["database"]}}])
    other = RecordedContext(ctx.workdir / "other")
    one.poll(ctx)
    every.poll(other)
    stored.database["other"].insert_one({"_id": 7})
    assert ("insert", 7) in kinds(one.poll(ctx))
    assert ("insert", 7) in kinds(every.poll(other))
    other.close()
    with pytest.raises(ValidationError, match="needs `database`"):
        Changes(uri=orders["uri"], collection="orders")


def test_a_change_stream_goes_on_after_its_collection_was_dropped(
    ctx: RecordedContext, orders: Where, stored: Stored
) -> None:
    stored.insert_one({"_id": 0})
    trigger = Changes(**orders)
    trigger.poll(ctx)
    stored.drop()
    seen = kinds(trigger.poll(ctx))
    assert ("drop", None) in seen
    stored.insert_one({"_id": 1})
    events = [*trigger.poll(ctx), *trigger.poll(ctx)]
    assert ("insert", 1) in kinds(events)


def test_a_place_that_is_gone_from_the_oplog_fails_or_is_skipped(
    ctx: RecordedContext, client: Client, orders: Where, stored: Stored
) -> None:
    trigger = Changes(**orders)
    trigger.poll(ctx)
    stored.insert_one({"_id": 1})
    lost = {"failCommands": ["aggregate"], "errorCode": 286, "appName": "rota"}
    client.admin.command("configureFailPoint", "failCommand", mode={"times": 1}, data=lost)
    with pytest.raises(TaskFailed, match="are gone from the oplog") as raised:
        trigger.poll(ctx)
    assert raised.value.retryable is False
    client.admin.command("configureFailPoint", "failCommand", mode={"times": 1}, data=lost)
    assert Changes(**orders, on_gap="skip").poll(ctx) == []
    stored.insert_one({"_id": 2})
    assert kinds(trigger.poll(ctx)) == [("insert", 2)]
