"""What runs on the server for a thread of ours, and how to end it there. Imported with the SDK only."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pymongo
from pymongo.errors import PyMongoError
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from rota_mongo.client import open_direct

if TYPE_CHECKING:
    from rota import Context
    from rota_mongo.client import LiveClient
    from rota_mongo.connection import Connection

TRIES = 30
"""How often a command that will not end is killed, a second apart: one that came in by a retry is another one."""
_AT_A_TIME = 5.0


@dataclass(frozen=True, slots=True)
class RunningCommand:
    """A command on its way: where it runs, its session, and the number that the server gave its connection."""

    name: str
    address: tuple[str, int | None]
    session: Mapping[str, Any] | None
    connection: int | None


class RunningCommands(CommandListener):
    """Knows the command that each thread waits for; pymongo calls it on that thread."""

    def __init__(self) -> None:
        self._commands: dict[int, RunningCommand] = {}

    def of(self, thread: int) -> RunningCommand | None:
        """Return what the thread waits for."""
        return self._commands.get(thread)

    def started(self, event: CommandStartedEvent) -> None:
        """Note the command."""
        session = event.command.get("lsid")
        self._commands[threading.get_ident()] = RunningCommand(
            event.command_name, event.connection_id, session, event.server_connection_id
        )

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Forget the command."""
        self._commands.pop(threading.get_ident(), None)

    def failed(self, event: CommandFailedEvent) -> None:
        """Forget the command."""
        self._commands.pop(threading.get_ident(), None)


@contextmanager
def stopping(ctx: Context, connection: Connection, live: LiveClient) -> Iterator[None]:
    """End, on cancel and timeout, what this thread waits for in the `with` block: on the server, too."""
    thread, over = threading.get_ident(), threading.Event()

    def stop() -> None:
        for _ in range(TRIES):
            command = live.running.of(thread)
            if command is not None and not over.is_set():
                kill(connection, command)
            if over.wait(1.0):
                return

    ctx.on_cancel(stop)
    last: RunningCommand | None = None
    try:
        yield
    except PyMongoError as error:
        last = live.running.of(thread)
        if error.timeout and last is not None:
            kill(connection, last)
        raise
    finally:
        over.set()


def kill(connection: Connection, command: RunningCommand) -> None:
    """End a command on its server; whatever goes wrong on the way is no news to anybody.

    `killSessions` ends one's own operations and cursors without any right, on every shard; `killOp` is for servers
    that only know that.
    """
    with suppress(PyMongoError), pymongo.timeout(_AT_A_TIME):
        with open_direct(connection, command.address, serverSelectionTimeoutMS=int(_AT_A_TIME * 1000)) as client:
            if command.session is not None:
                with suppress(PyMongoError):
                    client.admin.command("killSessions", [command.session])
            if command.connection is None:
                return
            mine = {"$ownOps": True, "connectionId": command.connection}
            for operation in client.admin.command("currentOp", mine)["inprog"]:
                if operation.get("connectionId") == command.connection and operation.get("opid") is not None:
                    client.admin.command("killOp", op=operation["opid"])
