"""Named fail points: where the recovery tests kill this process, to see that no promise is broken by it.

`ROTA_FAILPOINT=outcome.after_commit:3` kills it when that point is reached for the third time. Without the variable
a point costs a call that does nothing. `commit.inside` is the commit itself, see `hit_commit`; at `commit.cut` the
process lives on.
"""

from __future__ import annotations

import itertools
import os
import resource
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rota.store import Connection

NAMES = (
    "running.before_commit",
    "running.after_commit",
    "task.before_run",
    "task.after_effect",
    "outcome.before_commit",
    "outcome.after_commit",
    "commit.inside",
    "adoption.inside",
    "adoption.after_commit",
    "adoption.loaded",
)
"""The fail points of the conductor, at which the process dies."""
POLLS = ("poll.before_commit", "poll.after_commit", "poll.after_ack")
"""Those of polling triggers."""
HALF_A_FRAME = 2000
"""Bytes: the write-ahead log of SQLite grows by frames of 4,120."""
_name, _, _number = os.environ.get("ROTA_FAILPOINT", "").partition(":")
_hits = itertools.count(1)


def _is_due(name: str) -> bool:
    return name == _name and next(_hits) == int(_number or 1)


def _kill(name: str) -> None:
    if _is_due(name):
        os.kill(os.getpid(), signal.SIGKILL)


def _strike(conn: Connection) -> None:
    if _is_due("commit.inside"):
        _die_in_commit(conn)
    elif _is_due("commit.cut"):
        _hear_no_answer(conn)


def _die_in_commit(conn: Connection) -> None:
    """PostgreSQL gets the COMMIT and nobody to answer; SQLite is torn out of the middle of a frame."""
    if conn.dialect.name == "sqlite":
        file = conn.exec_driver_sql("SELECT file FROM pragma_database_list WHERE name = 'main'").scalar_one()
        size = Path(f"{file}-wal").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + HALF_A_FRAME, resource.RLIM_INFINITY))
        return
    driver = conn.connection.driver_connection
    assert driver is not None
    driver.pgconn.send_query(b"COMMIT")
    while driver.pgconn.flush():
        pass
    os.kill(os.getpid(), signal.SIGKILL)


def _hear_no_answer(conn: Connection) -> None:
    """Lose the connection to PostgreSQL when COMMIT has been sent, before anything comes back."""
    driver = conn.connection.driver_connection
    assert driver is not None
    with socket.socket(fileno=os.dup(driver.pgconn.socket)) as wire:
        wire.shutdown(socket.SHUT_RD)


def _pass(_: object) -> None:
    """Nothing is armed."""


if _name == "commit.inside":
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # a file that may not grow ends the process: Python ignores that
hit: Callable[[str], None] = _kill if _name else _pass
"""Say that a point has been reached."""
hit_commit: Callable[[Connection], None] = _strike if _name else _pass
"""Say that COMMIT comes next: `commit.inside` dies while it is under way, `commit.cut` never hears what came of it."""
