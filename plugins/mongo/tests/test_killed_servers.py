"""Tests of servers that are killed in the middle of a task: what is kept, what is said, and that it can be done again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from tests.lab.mongodb import MongoDB

from rota import TaskFailed
from rota.testing import RecordedContext
from rota_mongo.exporting import Export
from rota_mongo.importing import Import
from rota_mongo.running import RunningCommands
from rota_mongo.users import CreateUser

DOCUMENTS = 12_000


@contextmanager
def killed_at(mongodb: MongoDB, command: str, number: int = 1) -> Iterator[None]:
    """Kill the server when the plugin sends `command` for the `number`th time, before it arrives."""
    original, seen = RunningCommands.started, 0

    def started(self: RunningCommands, event: Any) -> None:
        nonlocal seen
        original(self, event)
        seen += event.command_name == command
        if event.command_name == command and seen == number:
            mongodb.kill()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunningCommands, "started", started)
        yield
    assert seen >= number


def where(mongodb: MongoDB) -> dict[str, Any]:
    return {"uri": mongodb.uri(), "database": "shop", "collection": "orders", "selection_timeout": "1s"}


def count(mongodb: MongoDB) -> int:
    with MongoClient[dict[str, Any]](mongodb.uri()) as client:
        return client["shop"]["orders"].count_documents({})


def test_an_export_from_a_server_that_is_killed_leaves_no_file_and_is_done_again(
    ctx: RecordedContext, tmp_path: Path
) -> None:
    with MongoDB.start() as mongodb:
        with MongoClient[dict[str, Any]](mongodb.uri(), journal=True) as client:
            client["shop"]["orders"].insert_many([{"_id": number} for number in range(DOCUMENTS)])
        task = Export(**where(mongodb), file=str(tmp_path / "out"))
        with killed_at(mongodb, "getMore"), pytest.raises(TaskFailed, match=r"export `shop\.orders`") as raised:
            task.run(ctx)
        assert raised.value.retryable is None
        assert list(tmp_path.glob("*out*")) == []
        mongodb.restart()
        assert task.run(ctx).documents == DOCUMENTS


def test_an_import_into_a_server_that_is_killed_says_how_far_it_came_and_goes_on(
    ctx: RecordedContext, tmp_path: Path
) -> None:
    file = tmp_path / "in"
    file.write_text("".join(f'{{"_id": {number}}}\n' for number in range(DOCUMENTS)))
    with MongoDB.start() as mongodb:
        task = Import(**where(mongodb), file=str(file), mode="skip", journal=True)
        with killed_at(mongodb, "insert", 3), pytest.raises(TaskFailed, match=r"import into `shop\.orders`") as raised:
            task.run(ctx)
        assert raised.value.retryable is None
        said = ctx.outputs[-1]
        assert 0 < said.inserted < said.documents < DOCUMENTS
        mongodb.restart()
        assert said.inserted <= count(mongodb)
        again = task.run(ctx)
        assert (again.documents, again.inserted + again.skipped) == (DOCUMENTS, DOCUMENTS)
        assert count(mongodb) == DOCUMENTS


def test_a_write_to_a_server_that_is_killed_says_that_it_may_have_been_done(ctx: RecordedContext) -> None:
    with MongoDB.start() as mongodb:
        task = CreateUser(uri=mongodb.uri(), selection_timeout="1s", name="anna", new_password="a-password-of-hers")
        with killed_at(mongodb, "createUser"), pytest.raises(TaskFailed, match=r"broke|refuses connections") as raised:
            task.run(ctx)
    assert raised.value.retryable is None
    assert "a-password-of-hers" not in str(raised.value) + ctx.log.text
