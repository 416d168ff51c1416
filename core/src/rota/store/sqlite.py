"""SQLite: the file, its connections, and whether somebody else has written."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import QueuePool, StaticPool

from rota.errors import StoreError

BUSY_TIMEOUT = 5.0
"""How long to wait for another process's transaction, in seconds."""
_PRAGMAS = "PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-16000; PRAGMA wal_autocheckpoint=4000;"
_POLL, _CERTAIN = 0.05, 2.0


def path_of(url: sa.URL) -> Path:
    """Return the file of an SQLite URL. Raises StoreError for a database in memory."""
    name = url.database or ""
    name = name.removeprefix("file:")
    if not name or ":memory:" in name:
        raise StoreError("the store must be a file", hint="write `sqlite:////path/to/rota.db`")
    return Path(name).expanduser().absolute()


def is_read_only(url: sa.URL) -> bool:
    """Whether the URL asks for the file as it is: `?mode=ro&uri=true`."""
    return url.query.get("mode") == "ro" or "immutable" in url.query


def prepare_file(path: Path) -> None:
    """Create the file with mode 0600 in a folder with mode 0700, unless they are there; shut others out of the file."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        status = path.stat()
        if status.st_mode & 0o077 and status.st_uid == os.geteuid():
            path.chmod(status.st_mode & 0o700)


def engines(url: sa.URL, path: Path, *, durable: bool) -> tuple[sa.Engine, sa.Engine]:
    """Return an engine for reading, pooled, and one for writing, of a single connection."""
    read_only = is_read_only(url)
    synchronous = "FULL" if durable else "NORMAL"
    name = f"file:{_quoted(path)}?mode={'ro' if read_only else 'rw'}"

    def connect(pragmas: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            name, uri=True, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False, cached_statements=256
        )
        connection.executescript(_PRAGMAS + pragmas)
        return connection

    def engine(pragmas: str, begin: str, **options: Any) -> sa.Engine:
        made = sa.create_engine("sqlite+pysqlite://", creator=lambda: connect(pragmas), hide_parameters=True, **options)
        sa.event.listen(made, "begin", lambda conn: raw(conn).execute(begin))
        return made

    reader = engine(
        "PRAGMA query_only=ON; PRAGMA cache_size=-4000;",
        "BEGIN",
        poolclass=QueuePool,
        pool_size=16,
        max_overflow=16,
        pool_timeout=30,
    )
    writer = engine(
        f"PRAGMA synchronous={synchronous};", "BEGIN" if read_only else "BEGIN IMMEDIATE", poolclass=StaticPool
    )
    return reader, writer


def raw(conn: sa.Connection) -> Any:
    """The driver's own connection below `conn`."""
    return conn.connection.driver_connection


def _quoted(path: Path) -> str:
    from urllib.parse import quote

    return quote(str(path))


class Watch:
    """Tells whether another process has committed, at almost no cost while none does."""

    def __init__(self, path: Path, connection: Callable[[], AbstractContextManager[Any]]) -> None:
        """`connection` gives the writing connection, whose own commits do not count, outside of transactions."""
        self._wal, self._connection = path.with_name(path.name + "-wal"), connection
        self._seen: tuple[int, int] | None = None
        self._looked = 0.0
        self._version = -1  # what was there before counts as news, once

    def changed(self) -> bool:
        """Whether another process has committed since this was last asked."""
        if not self._touched():
            return False
        version = self._data_version()
        if version == self._version:
            return False
        self._version = version
        return True

    def wait(self, timeout: float, wakeup: threading.Event) -> bool:
        """Wait until `wakeup` is set, another process commits, or `timeout` seconds are over; return `changed()`."""
        end = time.monotonic() + timeout
        while not wakeup.is_set():
            if self.changed():
                return True
            left = end - time.monotonic()
            if left <= 0 or wakeup.wait(min(left, _POLL)):
                break
        return self.changed()

    def _touched(self) -> bool:
        """Whether the log was written to; no statement is run for that. Now and then it says so to be sure."""
        try:
            status = self._wal.stat()
        except OSError:
            return True
        seen, now = (status.st_mtime_ns, status.st_size), time.monotonic()
        if seen == self._seen and now - self._looked < _CERTAIN:
            return False
        self._seen, self._looked = seen, now
        return True

    def _data_version(self) -> int:
        with self._connection() as connection:
            return int(connection.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Nothing to end here."""
