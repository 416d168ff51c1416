"""Every type against the same failures: logins, servers that are away, silent or frozen, cancel."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.lab.failing import SECRET, failing, failing_by_cancel
from tests.lab.mongodb import MongoDB
from tests.lab.silence import Silence

from rota.testing import RecordedContext
from rota_mongo.bulk import BulkWrite
from rota_mongo.commands import Command, CreateIndex
from rota_mongo.exporting import Export
from rota_mongo.health import Health
from rota_mongo.importing import Import
from rota_mongo.query_trigger import Query
from rota_mongo.reading import Aggregate, Find
from rota_mongo.replica_set import StepDown, WaitForPrimary
from rota_mongo.rotation import RotatePassword
from rota_mongo.stats import Stats
from rota_mongo.stream_trigger import Changes
from rota_mongo.users import CreateUser, Grant
from rota_mongo.writing import Delete, Insert, Replace, Update

Where = dict[str, Any]
Act = Callable[[RecordedContext, Where], object]
NEW = f"{SECRET}-new"
ROLES: Any = [{"role": "read", "db": "shop"}]


def where(server: Where) -> Where:
    return {**server, "database": "shop", "collection": "orders"}


READING: dict[str, Act] = {
    "command": lambda ctx, server: Command(**server, command={"listCollections": 1}, database="shop").run(ctx),
    "find": lambda ctx, server: Find(**where(server)).run(ctx),
    "aggregate": lambda ctx, server: Aggregate(**where(server), pipeline=[]).run(ctx),
    "export": lambda ctx, server: Export(**where(server)).run(ctx),
    "stats": lambda ctx, server: Stats(**server, database="shop", collections=True).run(ctx),
    "query": lambda ctx, server: list(Query(**where(server), cursor="at").poll(ctx)),
    "change stream": lambda ctx, server: list(Changes(**where(server)).poll(ctx)),
}
WRITING: dict[str, Act] = {
    "insert": lambda ctx, server: Insert(**where(server), documents=[{"_id": 1}]).run(ctx),
    "update": lambda ctx, server: Update(**where(server), filter={"_id": 1}, update={"$set": {"a": 1}}).run(ctx),
    "replace": lambda ctx, server: Replace(**where(server), filter={"_id": 1}, document={"a": 1}).run(ctx),
    "delete": lambda ctx, server: Delete(**where(server), filter={"_id": 1}).run(ctx),
    "bulk write": lambda ctx, server: BulkWrite(
        **where(server), operations=[{"delete_many": {"filter": {"state": "gone"}}}]
    ).run(ctx),
    "import": lambda ctx, server: Import(**where(server), file="orders.jsonl").run(ctx),
    "create index": lambda ctx, server: CreateIndex(**where(server), keys={"at": 1}).run(ctx),
    "create user": lambda ctx, server: CreateUser(**server, name="new", new_password=NEW, roles=ROLES).run(ctx),
    "grant": lambda ctx, server: Grant(**server, name="somebody", roles=ROLES).run(ctx),
    "rotate password": lambda ctx, server: RotatePassword(
        **server, **({} if "user" in server else {"user": "somebody", "password": SECRET}), new_password=NEW
    ).run(ctx),
}
LOOKING: dict[str, Act] = {
    "health": lambda ctx, server: Health(**server).run(ctx),
    "wait for primary": lambda ctx, server: WaitForPrimary(**server, wait="1s").run(ctx),
    "step down": lambda ctx, server: StepDown(**server).run(ctx),
}
ALL = READING | WRITING | LOOKING
every_type = pytest.mark.parametrize("act", ALL.values(), ids=ALL)


@pytest.fixture
def here(ctx: RecordedContext) -> RecordedContext:
    """A context whose work folder has what is to be imported."""
    (ctx.workdir / "orders.jsonl").write_text('{"_id": 1}\n')
    return ctx


def login(port: int, mongodb: MongoDB, **more: Any) -> Where:
    known = {"host": "127.0.0.1", "port": port, "user": mongodb.user, "password": mongodb.password}
    return {**known, "selection_timeout": "500ms", "connect_timeout": "300ms", **more}


@every_type
def test_a_wrong_password(here: RecordedContext, mongodb: MongoDB, act: Act) -> None:
    fields = login(mongodb.ports[0], mongodb, password=SECRET, selection_timeout="10s", connect_timeout="10s")
    error = failing(here, act, fields)
    assert "login" in error.message, error.message
    assert error.retryable is False


@every_type
def test_nobody_there(here: RecordedContext, mongodb: MongoDB, act: Act) -> None:
    error = failing(here, act, login(1, mongodb))
    assert "`127.0.0.1` refuses connections" in error.message, error.message
    assert error.retryable is None


@every_type
def test_silence(here: RecordedContext, mongodb: MongoDB, silence: Silence, act: Act) -> None:
    error = failing(here, act, login(silence.port, mongodb))
    assert "did not answer in time" in error.message, error.message
    assert error.retryable is None


@every_type
def test_cancel_in_the_silence(here: RecordedContext, mongodb: MongoDB, silence: Silence, act: Act) -> None:
    fields = login(silence.port, mongodb, selection_timeout="1h", connect_timeout="1h")
    error = failing_by_cancel(here, act, fields)
    assert "cancelled" in error.message, error.message


@pytest.fixture(scope="module")
def own() -> Iterator[MongoDB]:
    """A server to freeze."""
    with MongoDB.start() as server:
        yield server


@pytest.fixture
def frozen(here: RecordedContext, own: MongoDB) -> Iterator[Where]:
    """The fields of a server to which there is a connection, and which then says nothing more."""
    uri = f"mongodb://{own.user}:{own.password}@127.0.0.1:{own.ports[0]}/?heartbeatFrequencyMS=500&serverMonitoringMode=poll"
    fields = {"uri": uri, "connect_timeout": "500ms", "selection_timeout": "2s"}
    Command(**fields, command="ping").run(here)
    own.freeze()
    yield fields
    own.thaw()


@every_type
def test_cancel_while_it_is_frozen(here: RecordedContext, frozen: Where, act: Act) -> None:
    """Nothing can be ended on such a server; pymongo sees in its next heartbeats that it is gone, and lets go."""
    error = failing_by_cancel(here, act, frozen)
    assert "cancelled" in error.message, error.message
