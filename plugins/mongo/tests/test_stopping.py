"""Tests of cancel and time-outs: what runs on the server ends, and so does the task."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pymongo import MongoClient
from pymongo.errors import PyMongoError
from tests.lab.mongodb import MongoDB

from rota import TaskFailed
from rota.testing import RecordedContext
from rota_mongo.commands import CreateIndex
from rota_mongo.exporting import Export
from rota_mongo.importing import Import
from rota_mongo.reading import Aggregate, Find
from rota_mongo.replica_set import WaitForPrimary
from rota_mongo.writing import Insert

if TYPE_CHECKING:
    from pymongo.collection import Collection

    Client = MongoClient[dict[str, Any]]
    Stored = Collection[dict[str, Any]]

Where = dict[str, Any]


@contextmanager
def slow(client: Client, command: str, milliseconds: int, times: int = 1) -> Iterator[None]:
    """Have the server take its time for a command."""
    data = {"failCommands": [command], "blockConnection": True, "blockTimeMS": milliseconds, "appName": "rota"}
    client.admin.command("configureFailPoint", "failCommand", mode={"times": times}, data=data)
    try:
        yield
    finally:
        client.admin.command("configureFailPoint", "failCommand", mode="off")


@contextmanager
def killing(ctx: RecordedContext) -> Iterator[list[Any]]:
    """Cancel the task as soon as it waits for the server; give what was killed there, which ends the wait."""
    from rota_mongo import running

    killed: list[Any] = []
    original = running.kill

    def kill(connection: Any, command: Any, is_wanted: Any) -> None:
        killed.append(command)
        original(connection, command, is_wanted)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "kill", kill)
        yield killed


def cancelled_while(
    ctx: RecordedContext, command: str, task: Any, cancel: Callable[[], object] | None = None
) -> TaskFailed:
    """Run a task, and cancel it once `command` is on its way: by `cancel`, which may do more than that."""
    from rota_mongo.running import RunningCommands

    on_its_way = threading.Event()
    original = RunningCommands.started

    def started(self: RunningCommands, event: Any) -> None:
        original(self, event)
        if event.command_name == command:
            on_its_way.set()

    def wait_and_cancel() -> None:
        on_its_way.wait(30)
        (cancel or ctx.cancel)()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunningCommands, "started", started)
        canceller = threading.Thread(target=wait_and_cancel)
        canceller.start()
        with pytest.raises(TaskFailed, match="it was cancelled") as raised:
            task.run(ctx)
        canceller.join()
    return raised.value


def test_cancel_ends_a_command_on_the_server(ctx: RecordedContext, client: Client, orders: Where) -> None:
    with slow(client, "find", 4_000, times=10), killing(ctx) as killed:
        cancelled_while(ctx, "find", Find(**orders))
    # The connection that the server is told to end is the one that the command came over.
    assert {command.name for command in killed} == {"find"}
    assert all(command.session is not None and command.connection for command in killed)


def test_cancel_ends_a_pipeline_and_an_index_build(
    ctx: RecordedContext, client: Client, orders: Where, stored: Stored
) -> None:
    stored.insert_one({"a": 1})
    with slow(client, "createIndexes", 4_000, times=10), killing(ctx) as killed:
        cancelled_while(ctx, "createIndexes", CreateIndex(**orders, keys={"a": 1}))
    assert "createIndexes" in {command.name for command in killed}
    assert set(stored.index_information()) == {"_id_"}


def test_an_index_that_was_built_in_spite_of_the_cancel_is_dropped(
    ctx: RecordedContext, client: Client, orders: Where, stored: Stored
) -> None:
    from pymongo.errors import OperationFailure

    stored.insert_one({"a": 1})

    class Late(CreateIndex):
        """Builds it, and hears of the cancel in the same moment."""

        def _specification(self, name: str) -> dict[str, Any]:
            stored.create_index("a", name=name)
            threading.Thread(target=ctx.cancel).start()
            ctx.cancelled.wait(30)
            raise OperationFailure("interrupted", 11601)

    with pytest.raises(TaskFailed, match="it was cancelled"):
        Late(**orders, keys={"a": 1}).run(ctx)
    assert set(stored.index_information()) == {"_id_"}


def test_an_import_that_is_cancelled_says_how_far_it_came(
    ctx: RecordedContext, client: Client, orders: Where, stored: Stored, tmp_path: Path
) -> None:
    (tmp_path / "in").write_text("".join(f'{{"_id": {number}}}\n' for number in range(10_000)))
    cancelled_while(ctx, "insert", Import(**orders, file=str(tmp_path / "in")))
    said = ctx.outputs[-1]
    assert said.inserted <= stored.count_documents({}) <= said.documents < 10_000


def test_an_export_that_is_cancelled_leaves_no_file_and_no_cursor(
    ctx: RecordedContext, client: Client, orders: Where, stored: Stored, tmp_path: Path
) -> None:
    stored.insert_many([{"_id": number} for number in range(10_000)])
    cancelled_while(ctx, "getMore", Export(**orders, file=str(tmp_path / "out")))
    assert list(tmp_path.glob("*out*")) == []
    operations = client.admin.command("currentOp")["inprog"]
    namespace = f"{orders['database']}.orders"
    assert [one for one in operations if one["type"] == "idleCursor" and one["ns"] == namespace] == []


def test_waiting_for_a_primary_is_cancelled_at_once(ctx: RecordedContext, mongodb: MongoDB) -> None:
    task = WaitForPrimary(uri=mongodb.uri(), wait="1h", other_than=mongodb.address())
    timer = threading.Timer(0.3, ctx.cancel)
    timer.start()
    with pytest.raises(TaskFailed, match="it was cancelled"):
        task.run(ctx)


def test_what_was_cancelled_while_there_was_no_server_is_not_done_once_there_is(ctx: RecordedContext) -> None:
    with MongoDB.start() as mongodb:
        mongodb.stop_one(0)
        fields = {"uri": mongodb.uri(), "database": "shop", "collection": "orders", "selection_timeout": "30s"}
        cancel, start = threading.Timer(0.3, ctx.cancel), threading.Timer(1.0, mongodb.start_one, [0])
        cancel.start()
        start.start()
        with pytest.raises(TaskFailed, match="it was cancelled"):
            Insert.model_validate({**fields, "documents": [{"_id": 1}]}).run(ctx)
        start.join()
        with MongoClient[dict[str, Any]](mongodb.uri()) as client:
            assert client["shop"]["orders"].count_documents({}) == 0


def test_a_write_that_was_cancelled_is_not_sent_again_to_a_server_that_comes_back(ctx: RecordedContext) -> None:
    """Pymongo sends a write once more after a broken connection: not for a task that is cancelled meanwhile."""
    with MongoDB.start() as mongodb:

        def cancel() -> None:
            mongodb.kill()
            threading.Thread(target=ctx.cancel).start()
            ctx.cancelled.wait(60)
            mongodb.restart()

        with (
            MongoClient[dict[str, Any]](mongodb.uri()) as client,
            suppress(PyMongoError),
            slow(client, "insert", 60_000),
        ):
            fields = {"uri": mongodb.uri(), "database": "shop", "collection": "orders", "selection_timeout": "30s"}
            cancelled_while(ctx, "insert", Insert.model_validate({**fields, "documents": [{"_id": 1}]}), cancel)
        with MongoClient[dict[str, Any]](mongodb.uri()) as client:
            assert client["shop"]["orders"].count_documents({}) == 0


def test_the_deadline_of_the_task_goes_to_the_server(
    ctx: RecordedContext, client: Client, orders: Where, stored: Stored
) -> None:
    stored.insert_many([{"_id": number} for number in range(2000)])
    join = {"$lookup": {"from": "orders", "pipeline": [{"$match": {"$expr": {"$gte": ["$_id", 0]}}}], "as": "all"}}
    seen = []

    from rota_mongo.running import RunningCommands

    original = RunningCommands.started

    def started(self: RunningCommands, event: Any) -> None:
        original(self, event)
        seen.append((event.command_name, event.command.get("maxTimeMS")))

    ctx.deadline = datetime.now(UTC) + timedelta(seconds=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunningCommands, "started", started)
        with pytest.raises(TaskFailed, match=r"in time|longer than it may") as raised:
            Aggregate(**orders, pipeline=[join, {"$count": "n"}]).run(ctx)
    assert raised.value.retryable is None
    limits = [limit for name, limit in seen if name == "aggregate"]
    assert limits
    assert 0 < limits[0] <= 1000


def test_a_command_that_was_given_up_is_ended_on_the_server(
    ctx: RecordedContext, client: Client, orders: Where
) -> None:
    late = pytest.raises(TaskFailed, match="did not answer in time")
    with slow(client, "find", 4_000, times=10), killing(ctx) as killed, late:
        Find(**orders, operation_timeout="300ms").run(ctx)
    assert [command.name for command in killed] == ["find"]


def test_after_the_deadline_nothing_is_begun(ctx: RecordedContext, orders: Where) -> None:
    ctx.deadline = datetime.now(UTC) - timedelta(seconds=1)
    with pytest.raises(TaskFailed, match="the time of the task is over"):
        Find(**orders).run(ctx)


def test_a_cancelled_command_does_not_go_on_in_a_real_server(ctx: RecordedContext, real_mongodb_uri: str) -> None:
    from pymongo import MongoClient

    slowly = {"$where": "sleep(200) || true"}
    with MongoClient[dict[str, Any]](real_mongodb_uri) as real:
        real["test_cancel"].drop_collection("orders")
        real["test_cancel"]["orders"].insert_many([{"_id": number} for number in range(1000)])
        task = Find(uri=real_mongodb_uri, database="test_cancel", collection="orders", filter=slowly)
        cancelled_while(ctx, "find", task)
        running = real.admin.aggregate([{"$currentOp": {}}, {"$match": {"ns": "test_cancel.orders", "active": True}}])
        assert list(running) == []
        real.drop_database("test_cancel")
