"""Tests of commands, indexes, health, sizes and primaries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError
from tests.lab.mongodb import MongoDB

from rota import TaskFailed
from rota.testing import RecordedContext
from rota_mongo.commands import Command, CreateIndex
from rota_mongo.health import Health, ReplicaSet
from rota_mongo.replica_set import StepDown, WaitForPrimary
from rota_mongo.stats import Stats

if TYPE_CHECKING:
    from pymongo import MongoClient
    from pymongo.collection import Collection

    Client = MongoClient[dict[str, Any]]
    Stored = Collection[dict[str, Any]]

Where = dict[str, Any]


def reader(client: Client, name: str, role: str, database: str) -> dict[str, Any]:
    """Make a user with one role; return the fields to log in as it."""
    client.admin.command("createUser", name, pwd="of-the-reader", roles=[{"role": role, "db": database}])
    host, port = client.address or ("", 0)
    return {"host": host, "port": port, "user": name, "password": "of-the-reader"}


def test_a_command_gives_its_reply_without_what_drivers_want(
    ctx: RecordedContext, orders: Where, stored: Stored
) -> None:
    stored.insert_many([{"_id": 1}, {"_id": 2}])
    command = Command(uri=orders["uri"], database=orders["database"], command={"count": "orders", "query": {"_id": 1}})
    assert command.run(ctx).reply == {"n": 1, "ok": 1.0}
    assert (command.name, command.idempotent) == ("count", False)
    assert Command(uri=orders["uri"], command="hello", repeatable=True).run(ctx).reply["isWritablePrimary"] is True


def test_a_command_that_there_is_not_and_one_that_may_not_be_are_told(
    ctx: RecordedContext, client: Client, orders: Where, user: str
) -> None:
    with pytest.raises(TaskFailed, match=r"command `nonsense` on `admin`: .*CommandNotFound") as unknown:
        Command(uri=orders["uri"], command="nonsense").run(ctx)
    login = reader(client, user, "read", orders["database"])
    with pytest.raises(TaskFailed, match="the login may not do this") as forbidden:
        Command(**login, database=orders["database"], command={"drop": "orders"}).run(ctx)
    assert (unknown.value.retryable, forbidden.value.retryable) == (False, False)


def test_an_index_is_built_once(ctx: RecordedContext, orders: Where, stored: Stored) -> None:
    stored.insert_one({"customer": 1})
    task = CreateIndex(**orders, keys={"customer": 1, "at": -1}, unique=True, partial_filter={"at": {"$gt": 0}})
    assert task.run(ctx).model_dump() == {"name": "customer_1_at_-1", "created": True}
    assert task.run(ctx).created is False
    built = stored.index_information()["customer_1_at_-1"]
    assert (built["unique"], built["key"]) == (True, [("customer", 1), ("at", -1)])
    expiring = CreateIndex(**orders, keys={"at": 1}, name="gone", expire_after="1d").run(ctx)
    assert (expiring.name, stored.index_information()["gone"]["expireAfterSeconds"]) == ("gone", 86400)


def test_an_index_that_cannot_be_is_told_and_no_retry_helps(
    ctx: RecordedContext, orders: Where, stored: Stored
) -> None:
    stored.insert_many([{"a": 1}, {"a": 1}])
    with pytest.raises(TaskFailed, match=r"E11000|[Dd]uplicate") as twice:
        CreateIndex(**orders, keys={"a": 1}, unique=True).run(ctx)
    CreateIndex(**orders, keys={"a": 1}, name="same").run(ctx)
    with pytest.raises(TaskFailed, match="same") as conflict:
        CreateIndex(**orders, keys={"a": -1}, name="same").run(ctx)
    assert (twice.value.retryable, conflict.value.retryable) == (False, False)
    with pytest.raises(ValidationError, match="one key"):
        CreateIndex(**orders, keys={"a": 1, "b": 1}, expire_after="1d")


def test_health_is_one_typed_answer(ctx: RecordedContext, client: Client, orders: Where, stored: Stored) -> None:
    stored.insert_one({"text": "x" * 1000})
    report = Health(uri=orders["uri"], max_lag="30s", min_members=1).run(ctx)
    assert (report.healthy, report.problems, report.unknown) == (True, [], [])
    assert (report.role, report.writable) == ("primary", True)
    assert report.version.count(".") == 2
    assert report.replica_set is not None
    assert report.replica_set.primary == report.address
    assert [member.state for member in report.replica_set.members] == ["PRIMARY"]
    assert report.connections is not None
    assert report.connections.current > 0
    assert orders["database"] in [database.name for database in report.databases]


def test_health_says_what_is_wrong_and_fails_when_asked(ctx: RecordedContext, orders: Where) -> None:
    report = Health(uri=orders["uri"], min_members=3).run(ctx)
    assert (report.healthy, report.problems) == (False, ["1 members are healthy, and 3 should be"])
    with pytest.raises(TaskFailed, match="3 should be") as raised:
        Health(uri=orders["uri"], min_members=3, fail=True).run(ctx)
    assert raised.value.output.healthy is False


def test_health_says_what_the_login_may_not_ask(ctx: RecordedContext, client: Client, orders: Where, user: str) -> None:
    report = Health(**reader(client, user, "read", orders["database"])).run(ctx)
    assert "connections" in report.unknown
    assert report.connections is None
    assert report.version


def test_the_lag_of_a_replica_set_is_that_of_its_last_secondary() -> None:
    from datetime import UTC, datetime, timedelta

    from rota_mongo.health import _replica_set

    now = datetime(2026, 7, 1, 2, tzinfo=UTC)

    def member(name: str, state: str, lag: float, health: float = 1.0) -> dict[str, Any]:
        return {"name": name, "stateStr": state, "health": health, "optimeDate": now - timedelta(seconds=lag)}

    members = [member("a:1", "PRIMARY", 0), member("b:1", "SECONDARY", 2.5), member("c:1", "SECONDARY", -1)]
    members.append(member("d:1", "(not reachable/healthy)", 9999, 0.0))
    status = {"set": "rs", "term": 3, "members": members}
    found: ReplicaSet = _replica_set(status)
    assert (found.primary, found.lag_seconds, found.term) == ("a:1", 2.5, 3)
    assert [one.lag_seconds for one in found.members] == [None, 2.5, 0.0, None]
    assert _replica_set({**status, "members": members[1:]}).lag_seconds is None
    task = Health(host="a", max_lag="2s")
    problems = task._problems({"setName": "rs"}, found)
    assert problems == [
        "the replica set `rs` has no primary",
        "`d:1` is (not reachable/healthy)",
        "`b:1` is 2.5 s behind",
    ]


def test_stats_tell_of_a_collection_a_database_and_the_server(
    ctx: RecordedContext, orders: Where, stored: Stored
) -> None:
    stored.insert_many([{"text": "x" * 100} for _ in range(50)])
    stored.create_index("text")
    stored.database["other"].insert_one({})
    where = {"uri": orders["uri"], "database": orders["database"]}
    one = Stats(**where, collection="orders").run(ctx).total
    assert (one.name, one.documents, one.indexes) == (f"{orders['database']}.orders", 50, 2)
    assert one.data_bytes > 5000
    assert one.average_document_bytes > 100
    database = Stats(**where, collections=True).run(ctx)
    assert (database.total.documents, len(database.collections)) == (51, 2)
    assert {entry.name for entry in database.collections} == {one.name, f"{orders['database']}.other"}
    server = Stats(uri=orders["uri"]).run(ctx)
    assert orders["database"] in [entry.name for entry in server.databases]
    assert server.total.documents == sum(entry.documents for entry in server.databases)
    with pytest.raises(ValidationError, match="need `database`"):
        Stats(uri=orders["uri"], collections=True)


def test_a_primary_steps_down_and_comes_back(ctx: RecordedContext) -> None:
    with MongoDB.start() as mongodb:
        before = Health(uri=mongodb.uri()).run(ctx)
        done = StepDown(uri=mongodb.uri(), period="2s", force=True, wait="30s").run(ctx)
        assert (done.previous, done.primary) == (before.address, before.address)
        assert done.seconds >= 0.5
        # Another client, since the lab's server does not tell this one that it is the primary again.
        StepDown(uri=mongodb.uri(), direct=True, period="60s", force=True, wait="0s").run(ctx)
        away = Health(uri=mongodb.uri(), fail=False).run(ctx)
        assert (away.role, away.writable) == ("secondary", False)
        assert "has no primary" in away.problems[0]
        assert Stats(uri=mongodb.uri(), read_preference="secondary").run(ctx).databases == []
        assert Stats(uri=mongodb.uri(), database="none", collections=True).run(ctx).collections == []
        with pytest.raises(TaskFailed, match="there was no primary within 1 s") as raised:
            WaitForPrimary(uri=mongodb.uri(), wait="1s").run(ctx)
        assert raised.value.retryable is None


def test_a_primary_without_another_to_hand_over_to_stays(ctx: RecordedContext, mongodb_uri: str) -> None:
    with pytest.raises(TaskFailed, match=r"step down the primary of .*: the server refuses it") as raised:
        StepDown(uri=mongodb_uri, period="12s", catch_up="1s").run(ctx)
    assert raised.value.retryable is None
    with pytest.raises(ValidationError, match="longer than `catch_up`"):
        StepDown(uri=mongodb_uri, period="5s")


def test_waiting_for_a_primary_ends_when_there_is_one(ctx: RecordedContext, mongodb: MongoDB) -> None:
    found = WaitForPrimary(uri=mongodb.uri(), wait="10s").run(ctx)
    assert found.address == mongodb.address()
    with pytest.raises(TaskFailed, match=f"`{mongodb.address()}` is still the primary"):
        WaitForPrimary(uri=mongodb.uri(), wait="600ms", other_than=mongodb.address()).run(ctx)


def test_waiting_for_a_primary_with_a_wrong_login_does_not_wait(ctx: RecordedContext, mongodb: MongoDB) -> None:
    wrong = {"host": "127.0.0.1", "port": mongodb.ports[0], "user": mongodb.user, "password": "not-the-one"}
    with pytest.raises(TaskFailed, match="refuses the login") as raised:
        WaitForPrimary(**wrong, wait="1h").run(ctx)
    assert raised.value.retryable is False
