"""Tests of reading and writing documents."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr, ValidationError

from rota import TaskFailed
from rota.testing import RecordedContext
from rota_mongo.bulk import BulkWrite
from rota_mongo.reading import Aggregate, Find
from rota_mongo.writing import Delete, Insert, Replace, Update

if TYPE_CHECKING:
    from pymongo.collection import Collection

    Stored = Collection[dict[str, Any]]

Where = dict[str, Any]


def test_find_gives_documents_in_order_up_to_the_limit(ctx: RecordedContext, orders: Where, stored: Stored) -> None:
    stored.insert_many([{"_id": number, "open": number % 2 == 0, "text": "x"} for number in range(10)])
    found = Find(**orders, filter={"open": True}, projection=["open"], sort={"_id": -1}, skip=1, limit=2).run(ctx)
    assert found.documents == [{"_id": 6, "open": True}, {"_id": 4, "open": True}]
    assert (found.count, found.truncated) == (2, True)
    everything = Find(**orders, limit=10, projection={"text": 0}, hint={"_id": 1}).run(ctx)
    assert (everything.count, everything.truncated) == (10, False)


def test_find_in_a_collection_that_is_not_there_finds_nothing(ctx: RecordedContext, orders: Where) -> None:
    assert Find(**orders).run(ctx).documents == []
    with pytest.raises(TaskFailed, match="nothing is found"):
        Find(**orders, required=True).run(ctx)


def test_values_go_both_ways_as_extended_json(ctx: RecordedContext, orders: Where, stored: Stored) -> None:
    values = {
        "_id": {"$oid": "64b000000000000000000001"},
        "at": {"$date": "2026-07-01T02:00:00.250Z"},
        "money": {"$numberDecimal": "12.30"},
        "long": {"$numberLong": "5"},
        "raw": {"$binary": {"base64": "AAEC/w==", "subType": "00"}},
        "uuid": {"$binary": {"base64": "ASNFZ4mrze8BI0VniavN7w==", "subType": "04"}},
        "stamp": {"$timestamp": {"t": 5, "i": 1}},
        "pattern": {"$regularExpression": {"pattern": "^a", "options": "i"}},
        "code": {"$code": "return 1"},
        "least": {"$minKey": 1},
        "nan": {"$numberDouble": "NaN"},
        "list": [1, 2.5, None, True, "text", {"deep": {"$oid": "64b000000000000000000002"}}],
    }
    Insert(**orders, documents=[values]).run(ctx)
    kept = stored.find_one()
    assert kept is not None
    assert str(kept["_id"]) == "64b000000000000000000001"
    assert kept["at"] == datetime(2026, 7, 1, 2, 0, 0, 250000, UTC)
    found = Find(**orders, filter={"_id": values["_id"], "at": values["at"]}).run(ctx)
    assert found.documents == [values | {"long": 5}]
    canonical = Find(**orders, extended_json="canonical", projection=["long", "at"]).run(ctx).documents[0]
    assert canonical["long"] == {"$numberLong": "5"}
    assert canonical["at"] == {"$date": {"$numberLong": "1782871200250"}}


def test_values_of_python_are_taken_too(ctx: RecordedContext, orders: Where, stored: Stored) -> None:
    when = datetime(2026, 7, 1, 2, tzinfo=UTC)
    document = {"_id": 1, "at": when, "day": date(2026, 7, 1), "money": Decimal("1.10"), "word": SecretStr("hidden")}
    task = Insert(**orders, documents=[document])
    assert "hidden" not in repr(task)
    task.run(ctx)
    kept = stored.find_one() or {}
    assert (kept["at"], kept["day"], kept["word"]) == (when, datetime(2026, 7, 1, tzinfo=UTC), "hidden")
    assert str(kept["money"]) == "1.10"


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({"_id": {"$oid": "short"}}, r"`\$oid` does not hold"),
        ({"at": {"$date": "yesterday"}}, r"`\$date` does not hold"),
        ({"money": {"$numberDecimal": "much"}}, r"`\$numberDecimal` does not hold"),
        ({"at": {"$date": "2026-07-01T02:00:00Z", "more": 1}}, r"`\$date` does not hold"),
        ({1: "one"}, "the key `1` of a document is no text"),
        ({"number": 1 << 64}, "too large"),
        ({"thing": object()}, "cannot be sent|does not fit"),
        ({"text": "x" * (17 << 20)}, "cannot be sent|too large"),
    ],
)
def test_what_does_not_fit_is_told_and_no_retry_helps(
    ctx: RecordedContext, orders: Where, document: dict[Any, Any], why: str
) -> None:
    with pytest.raises((TaskFailed, ValidationError), match=why if 1 not in document else "text|string") as raised:
        Insert(**orders, documents=[document]).run(ctx)
    if isinstance(raised.value, TaskFailed):
        assert raised.value.retryable is False


def test_a_query_that_is_wrong_is_told_and_no_retry_helps(ctx: RecordedContext, orders: Where) -> None:
    with pytest.raises(TaskFailed, match=r"find in `.*\.orders`: the server refuses it .*\$nonsense") as raised:
        Find(**orders, filter={"$nonsense": 1}).run(ctx)
    assert raised.value.retryable is False


def test_an_output_that_is_too_large_is_told(ctx: RecordedContext, orders: Where, stored: Stored) -> None:
    stored.insert_many([{"text": "x" * (6 << 20)} for _ in range(3)])
    with pytest.raises(TaskFailed, match="more than 16 MiB") as raised:
        Find(**orders).run(ctx)
    assert "mongo.export" in raised.value.hint


def test_text_that_is_no_utf8_gets_replacement_characters(ctx: RecordedContext, real_mongodb_uri: str) -> None:
    from bson import encode
    from bson.raw_bson import RawBSONDocument
    from pymongo import MongoClient

    broken = encode({"_id": 1, "text": "ab"}).replace(b"ab", b"\xffb")
    with MongoClient[Any](real_mongodb_uri) as client:
        client["test_utf8"].drop_collection("orders")
        client["test_utf8"]["orders"].insert_one(RawBSONDocument(broken))
    found = Find(uri=real_mongodb_uri, database="test_utf8", collection="orders").run(ctx)
    assert found.documents == [{"_id": 1, "text": "\ufffdb"}]


def test_aggregate_gives_results_and_merges(ctx: RecordedContext, orders: Where, stored: Stored) -> None:
    stored.insert_many([{"_id": number, "who": number % 2, "amount": number} for number in range(6)])
    group = {"$group": {"_id": "$who", "total": {"$sum": "$amount"}}}
    found = Aggregate(**orders, pipeline=[group, {"$sort": {"_id": 1}}]).run(ctx)
    assert found.documents == [{"_id": 0, "total": 6}, {"_id": 1, "total": 9}]
    merging = Aggregate(**orders, pipeline=[group, {"$merge": {"into": "totals"}}])
    assert merging.run(ctx).count == 0
    assert stored.database["totals"].count_documents({}) == 2
    assert Aggregate(**orders, pipeline=[group]).idempotent
    assert not merging.idempotent


def test_insert_fails_on_what_is_there_or_skips_it(ctx: RecordedContext, orders: Where, stored: Stored) -> None:
    documents: list[dict[str, Any]] = [{"_id": 1}, {"_id": 2}, {}]
    inserted = Insert(**orders, documents=documents).run(ctx)
    assert (inserted.count, inserted.ids[:2], set(inserted.ids[2])) == (3, [1, 2], {"$oid"})
    with pytest.raises(TaskFailed, match="E11000") as raised:
        Insert(**orders, documents=[{"_id": 2}]).run(ctx)
    assert raised.value.retryable is False
    skipping = Insert(**orders, documents=[{"_id": 2}, {"_id": 3}], on_duplicate="skip")
    assert skipping.run(ctx).model_dump() == {"count": 1, "ids": [3], "skipped": 1}
    assert skipping.run(ctx).model_dump() == {"count": 0, "ids": [], "skipped": 2}
    assert Insert(**orders, documents=[]).run(ctx).count == 0
    assert skipping.idempotent
    assert not Insert(**orders, documents=[{}], on_duplicate="skip").idempotent


def test_update_changes_one_or_many_or_inserts(ctx: RecordedContext, orders: Where, stored: Stored) -> None:
    stored.insert_many([{"_id": number, "kind": "a"} for number in range(3)])
    one = Update(**orders, filter={"_id": 1}, update={"$set": {"kind": "b"}})
    assert one.run(ctx).model_dump() == {"matched": 1, "modified": 1, "upserted_id": None}
    assert one.run(ctx).modified == 0
    many = Update(**orders, filter={"kind": "a"}, update={"$inc": {"count": 1}}, many=True)
    assert many.plan(ctx) == {"matches": 2}
    assert many.run(ctx).modified == 2
    key = {"$oid": "64b000000000000000000001"}
    assert Update(**orders, filter={"_id": key}, update={"$set": {"new": 1}}, upsert=True).run(ctx).upserted_id == key
    pipeline = Update(**orders, filter={"_id": 1}, update=[{"$set": {"twice": {"$add": ["$_id", "$_id"]}}}])
    assert pipeline.run(ctx).modified == 1
    assert (stored.find_one(1) or {})["twice"] == 2


@pytest.mark.parametrize(
    ("fields", "idempotent"),
    [
        ({"filter": {"_id": 1}, "update": {"$set": {"a": 1}}}, True),
        ({"filter": {"_id": {"$oid": "64b000000000000000000001"}}, "update": {"$set": {"a": 1}}}, True),
        ({"filter": {"_id": {"$gt": 1}}, "update": {"$set": {"a": 1}}}, False),
        ({"filter": {"kind": "a"}, "update": {"$set": {"a": 1}}}, False),
        ({"filter": {"kind": "a"}, "update": {"$set": {"a": 1}}, "many": True}, True),
        ({"filter": {"_id": 1}, "update": {"$inc": {"a": 1}}}, False),
        ({"filter": {"_id": 1}, "update": [{"$set": {"a": 1}}]}, False),
    ],
)
def test_an_update_knows_whether_it_may_be_done_twice(fields: dict[str, Any], idempotent: bool) -> None:
    assert Update(host="db", database="shop", collection="orders", **fields).idempotent is idempotent


def test_replace_puts_a_document_in_place_of_another(ctx: RecordedContext, orders: Where, stored: Stored) -> None:
    stored.insert_one({"_id": 1, "old": True})
    replace = Replace(**orders, filter={"_id": 1}, document={"new": True}, write_concern="majority", journal=True)
    assert (replace.run(ctx).modified, replace.idempotent) == (1, True)
    assert stored.find_one() == {"_id": 1, "new": True}
    with pytest.raises(TaskFailed, match="nothing is found"):
        Replace(**orders, filter={"_id": 2}, document={}, required=True).run(ctx)
    assert Replace(**orders, filter={"_id": 2}, document={}, required=True, upsert=True).run(ctx).upserted_id == 2


def test_delete_removes_one_or_many(ctx: RecordedContext, orders: Where, stored: Stored) -> None:
    stored.insert_many([{"kind": "a"} for _ in range(3)])
    one, many = Delete(**orders, filter={"kind": "a"}), Delete(**orders, filter={"kind": "a"}, many=True)
    assert (one.run(ctx).count, many.run(ctx).count, many.run(ctx).count) == (1, 2, 0)
    assert (one.idempotent, many.idempotent) == (False, True)


def test_fields_that_mean_something_else_are_refused() -> None:
    where = {"host": "db", "database": "shop", "collection": "orders"}
    with pytest.raises(ValidationError, match=r"`mongo\.replace` takes a whole document"):
        Update(**where, filter={}, update={"a": 1})
    with pytest.raises(ValidationError, match=r"`mongo\.update` takes operators"):
        Replace(**where, filter={}, document={"$set": {}})
    with pytest.raises(ValidationError, match="at least 1"):
        Delete(**where, filter={}, write_concern=0)
    with pytest.raises(ValidationError, match="each operation has one of"):
        BulkWrite(**where, operations=[{"insert_one": {"document": {}}, "delete_one": {"filter": {}}}])
    with pytest.raises(ValidationError, match="each operation has one of"):
        BulkWrite(**where, operations=[{}])


def test_bulk_write_does_all_kinds_and_counts(ctx: RecordedContext, orders: Where, stored: Stored) -> None:
    stored.insert_many([{"_id": number, "kind": "old"} for number in range(5)])
    task = BulkWrite(
        **orders,
        operations=[
            {"insert_one": {"document": {"_id": 9}}},
            {"update_one": {"filter": {"_id": "new"}, "update": {"$set": {"a": 1}}, "upsert": True}},
            {"update_many": {"filter": {"_id": {"$lt": 2}}, "update": {"$set": {"kind": "new"}}}},
            {"replace_one": {"filter": {"_id": 2}, "document": {"kind": "other"}}},
            {"delete_one": {"filter": {"_id": 3}}},
            {"delete_many": {"filter": {"_id": 4}}},
        ],
    )
    written = task.run(ctx)
    assert written.model_dump() == {
        "inserted": 1, "matched": 3, "modified": 3, "deleted": 2, "upserted": 1, "upserted_ids": {"1": "new"},
    }  # fmt: skip
    assert not task.idempotent
    assert BulkWrite(**orders, operations=[]).run(ctx).inserted == 0
    harmless: list[Any] = [{"update_one": {"filter": {"_id": 1}, "update": {"$set": {"a": 1}}}}]
    assert BulkWrite(**orders, operations=[*harmless, {"delete_many": {"filter": {}}}]).idempotent
    assert not BulkWrite(**orders, operations=[{"delete_one": {"filter": {"kind": "a"}}}]).idempotent


def test_a_bulk_write_that_fails_says_where_and_how_much_was_done(ctx: RecordedContext, orders: Where) -> None:
    writes: list[Any] = [{"insert_one": {"document": {"_id": number}}} for number in (1, 2, 1, 3)]
    with pytest.raises(TaskFailed, match="number 2: ") as raised:
        BulkWrite(**orders, operations=writes).run(ctx)
    assert raised.value.retryable is False
    assert ctx.outputs[-1].inserted == 2
    with pytest.raises(TaskFailed, match=r"refuses 7 of the writes: .* and 4 more"):
        BulkWrite(**orders, operations=writes * 2, ordered=False).run(ctx)
    assert ctx.outputs[-1].inserted == 1
