"""What runs on the server for a thread of ours, and how to end it there. Imported with the SDK only."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pymongo
from pymongo.errors import PyMongoError
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

from rota import Context, TaskFailed
from rota_mongo.client import open_direct

if TYPE_CHECKING:
    from rota_mongo.client import LiveClient
    from rota_mongo.connection import Connection

TRIES = 30
"""How often a command that will not end is killed, a second apart: one that came in by a retry is another one."""
PATIENCE = 3.0
"""How many seconds one try may take."""


@dataclass(frozen=True, slots=True)
class RunningCommand:
    """A command on its way: where it runs, its session, and the number that the server gave its connection."""

    name: str
    address: tuple[str, int | None]
    session: Mapping[str, Any] | None
    connection: int | None


class NotAgain(BaseException):
    """A write of a cancelled task is not sent again. No Exception: pymongo would print it and go on."""


class RunningCommands(CommandListener):
    """Knows the command that each thread waits for; pymongo calls it on that thread."""

    def __init__(self) -> None:
        self._commands: dict[int, RunningCommand] = {}
        self._given_up: dict[int, RunningCommand] = {}
        self._writes: dict[int, tuple[Any, Any]] = {}
        self.cancelled: dict[int, threading.Event] = {}
        """What tells each thread that its task is cancelled."""

    def of(self, thread: int) -> RunningCommand | None:
        """Return what the thread waits for."""
        return self._commands.get(thread)

    def take_given_up(self, thread: int) -> RunningCommand | None:
        """Return, once, what the thread stopped waiting for while the server may still be at it."""
        return self._given_up.pop(thread, None)

    def started(self, event: CommandStartedEvent) -> None:
        """Note the command. Raises NotAgain for a write that pymongo would send again, after a cancel."""
        thread, session = threading.get_ident(), event.command.get("lsid")
        if (number := event.command.get("txnNumber")) is not None:
            write = (session, number)
            if self._writes.get(thread) == write and thread in self.cancelled and self.cancelled[thread].is_set():
                raise NotAgain
            self._writes[thread] = write
        self._commands[thread] = RunningCommand(
            event.command_name, event.connection_id, session, event.server_connection_id
        )

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Forget the command."""
        self._commands.pop(threading.get_ident(), None)

    def failed(self, event: CommandFailedEvent) -> None:
        """Forget the command, unless it is this side alone that has given up."""
        command = self._commands.pop(threading.get_ident(), None)
        if command is not None and event.failure.get("errtype") == "NetworkTimeout":
            self._given_up[threading.get_ident()] = command


@contextmanager
def stopping(ctx: Context, connection: Connection, live: LiveClient) -> Iterator[None]:
    """End, on cancel and timeout, what this thread waits for in the `with` block: on the server, too."""
    thread, over = threading.get_ident(), threading.Event()

    def stop() -> None:
        for _ in range(TRIES):
            command = live.running.of(thread)
            if command is not None:
                kill(connection, command, lambda: live.running.of(thread) is command)  # noqa: B023 - called at once
            if over.wait(1.0):
                return

    ctx.on_cancel(stop)
    live.running.take_given_up(thread)
    live.running.cancelled[thread] = ctx.cancelled
    try:
        yield
    except NotAgain:
        raise TaskFailed("it was cancelled") from None
    finally:
        over.set()
        del live.running.cancelled[thread]
        given_up = live.running.take_given_up(thread)
        if given_up is not None:
            kill(connection, given_up, lambda: True)


def kill(connection: Connection, command: RunningCommand, is_wanted: Callable[[], bool]) -> None:
    """End a command on its server while `is_wanted`; whatever goes wrong on the way is no news to anybody.

    `killSessions` ends one's own operations and cursors without any right, on every shard; `killOp` is for servers
    that only know that.
    """
    wait = int(PATIENCE * 1000)
    with (
        suppress(PyMongoError),
        pymongo.timeout(PATIENCE),
        open_direct(connection, command.address, serverSelectionTimeoutMS=wait) as client,
    ):
        if command.session is not None and is_wanted():
            with suppress(PyMongoError):
                client.admin.command("killSessions", [command.session])
        mine = {"currentOp": 1, "$ownOps": True, "connectionId": command.connection}
        for operation in client.admin.command(mine)["inprog"]:
            if _is_of(operation, command) and is_wanted():
                client.admin.command("killOp", op=operation["opid"])


def _is_of(operation: Mapping[str, Any], command: RunningCommand) -> bool:
    if "opid" not in operation or operation.get("connectionId") != command.connection:
        return False
    session = operation.get("lsid")
    return not session or command.session is None or session["id"] == command.session["id"]
