"""What every task does around its work: a client, a time limit, an end on the server when cancelled, clear errors."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from rota import Context, TaskFailed
from rota_mongo.client import close_live, open_live
from rota_mongo.failures import explained

if TYPE_CHECKING:
    from pymongo.collection import Collection

    from rota_mongo.client import Client
    from rota_mongo.connection import CollectionTask, Connection, WriteTask

_SLICE = 0.05
"""Seconds between two looks whether a task that waits for a server was cancelled."""
READ_PREFERENCES = {
    "primary": "Primary",
    "primary_preferred": "PrimaryPreferred",
    "secondary": "Secondary",
    "secondary_preferred": "SecondaryPreferred",
    "nearest": "Nearest",
}


@contextmanager
def connected(connection: Connection, ctx: Context, doing: str) -> Iterator[Client]:
    """Lend a client for the `with` block; `doing` says in messages what is done there (`find in `shop.orders``).

    What is asked of the server there ends with the task: at its deadline, after `operation_timeout`, on cancel. Every
    error of MongoDB and of BSON becomes a TaskFailed.
    """
    with explained(connection, ctx, doing):
        key = connection.connection_key()
        with ctx.client(key, lambda: open_live(connection), close_live, shared=True) as live:
            from rota_mongo.running import stopping

            # What ends a command on the server comes after the limit, and is not bound by it.
            with stopping(ctx, connection, live), time_limit(connection, ctx):
                _wait_for_a_server(live.client, connection, ctx)
                yield live.client


def _wait_for_a_server(client: Client, connection: Connection, ctx: Context) -> None:
    """Wait here, where a cancel ends that: pymongo would send what waits for a server in it, cancelled or not."""
    import pymongo
    from pymongo.errors import ServerSelectionTimeoutError

    limit = time.monotonic() + min([connection.selection_timeout.total_seconds(), *_limits(connection, ctx)])
    while not client.topology_description.known_servers:
        check_cancelled(ctx)
        waits = time.monotonic() < limit
        with suppress(ServerSelectionTimeoutError) if waits else nullcontext(), pymongo.timeout(_SLICE):
            _ = client.address  # has pymongo look for a server, and says in the end why there is none


def time_limit(connection: Connection, ctx: Context) -> AbstractContextManager[None]:
    """Bound what is asked of the server by the task's deadline and `operation_timeout`, whichever ends first.

    pymongo sends what is left as `maxTimeMS` and waits no longer than that. Raises TaskFailed after the deadline.
    """
    import pymongo

    limits = _limits(connection, ctx)
    if not limits:
        return nullcontext()
    if min(limits) <= 0:
        raise TaskFailed("the time of the task is over")
    return pymongo.timeout(min(limits))


def _limits(connection: Connection, ctx: Context) -> list[float]:
    left = None if ctx.deadline is None else (ctx.deadline - datetime.now(UTC)).total_seconds()
    return [limit for limit in (left, _seconds(connection.operation_timeout)) if limit is not None]


def _seconds(duration: timedelta | None) -> float | None:
    return None if duration is None else duration.total_seconds()


def check_cancelled(ctx: Context) -> None:
    """Raise TaskFailed once the task is cancelled, for loops between one command and the next."""
    if ctx.cancelled.is_set():
        raise TaskFailed("it was cancelled")


def read_preference(name: str) -> Any:
    """Return pymongo's read preference for a field's value."""
    from pymongo import read_preferences

    return getattr(read_preferences, READ_PREFERENCES[name])()


def writable(task: WriteTask, client: Client) -> Collection[dict[str, Any]]:
    """Return the task's collection, with its write concern."""
    from pymongo import WriteConcern

    collection = client[task.database][task.collection]
    if task.write_concern is None and task.journal is None:
        return collection
    given = collection.write_concern.document
    concern = WriteConcern(
        w=given.get("w") if task.write_concern is None else task.write_concern,
        j=given.get("j") if task.journal is None else task.journal,
        wtimeout=given.get("wtimeout"),
    )
    return collection.with_options(write_concern=concern)


def readable(task: CollectionTask, client: Client, preference: str, **options: Any) -> Collection[dict[str, Any]]:
    """Return the task's collection for reading, as `readable_of` does."""
    return readable_of(client, task.database, task.collection, preference, **options)


def readable_of(
    client: Client, database: str, collection: str, preference: str, **options: Any
) -> Collection[dict[str, Any]]:
    """Return a collection for reading; text that is no UTF-8 gets replacement characters."""
    found = client[database][collection]
    codec = found.codec_options.with_options(**{"unicode_decode_error_handler": "replace", **options})
    return found.with_options(codec_options=codec, read_preference=read_preference(preference))
