"""PostgreSQL: its connections, and who listens on them."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import uuid
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import QueuePool

from rota.errors import StoreError

CHANNEL = "rota"
_SETTINGS = {
    "statement_timeout": "60s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "120s",
}
_NETWORK = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


def normalized(url: sa.URL) -> sa.URL:
    """Return `url` for psycopg, also when it was written `postgresql://` or `postgres://`.

    Raises StoreError for another driver, or where psycopg is not installed.
    """
    if url.drivername not in {"postgresql", "postgres", "postgresql+psycopg"}:
        raise StoreError(
            f"`{url.drivername}` is not supported", hint="write `sqlite:////path` or `postgresql://host/name`"
        )
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        raise StoreError("PostgreSQL needs psycopg", hint="pip install 'rota[postgres]'") from error
    return url.set(drivername="postgresql+psycopg")


def engines(url: sa.URL, *, durable: bool) -> tuple[sa.Engine, sa.Engine]:
    """Return an engine for reading (snapshots that write nothing) and one for writing, both pooled."""
    settings = _SETTINGS | {"synchronous_commit": "on" if durable else "off"}

    def engine(**options: Any) -> sa.Engine:
        made = sa.create_engine(
            url,
            poolclass=QueuePool,
            pool_timeout=30,
            pool_recycle=1800,
            pool_use_lifo=True,
            hide_parameters=True,  # what is stored must not get into logs
            connect_args={"application_name": "rota", **_NETWORK},
            **options,
        )
        sa.event.listen(made, "connect", lambda connection, _: _configure(connection, settings))
        return made

    # What is beyond the size of a pool is closed after each use, and opening one costs more than most queries.
    reader = engine(pool_size=16, max_overflow=4, isolation_level="REPEATABLE READ")
    writer = engine(pool_size=4, max_overflow=16, isolation_level="READ COMMITTED")
    # Part of what psycopg sends as BEGIN: a statement of its own would be a round trip of its own.
    sa.event.listen(reader, "connect", lambda connection, _: setattr(connection, "read_only", True))
    return reader, writer


def _configure(connection: Any, settings: dict[str, str]) -> None:
    # By SET and not by the options of the connection: poolers between here and the server refuse those.
    with connection.cursor() as cursor:
        cursor.execute("; ".join(f"SET {name} = '{value}'" for name, value in settings.items()))
    connection.commit()


class Watch:
    """Listens, on a connection and a thread of its own, to what other processes say."""

    def __init__(self, url: sa.URL) -> None:
        self._url = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self.sender = uuid.uuid4().hex
        self._dirty = threading.Event()
        self._waiting: set[threading.Event] = set()
        self._closed = threading.Event()
        self._wake_read, self._wake_write = os.pipe()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def changed(self) -> bool:
        """Whether another process has said something since this was last asked."""
        self._start()
        dirty = self._dirty.is_set()
        self._dirty.clear()
        return dirty

    def wait(self, timeout: float, wakeup: threading.Event) -> bool:
        """Wait until `wakeup` is set, which another process does too, or `timeout` seconds; return `changed()`."""
        self._start()
        self._waiting.add(wakeup)
        try:
            if not self._dirty.is_set():
                wakeup.wait(timeout)
        finally:
            self._waiting.discard(wakeup)
        return self.changed()

    def close(self) -> None:
        """End the thread and its connection."""
        self._closed.set()
        os.write(self._wake_write, b"x")
        if self._thread is not None:
            self._thread.join()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._listen, name="rota-listen", daemon=True)
                self._thread.start()

    def _listen(self) -> None:
        import psycopg

        wait = 0.1
        while not self._closed.is_set():
            with contextlib.suppress(psycopg.Error, OSError):
                parameters: dict[str, Any] = {"application_name": "rota listen", **_NETWORK}
                with psycopg.connect(self._url, autocommit=True, **parameters) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    wait = 0.1
                    self._tell()  # what was said while nobody listened
                    self._hear(connection)
            self._closed.wait(wait)
            wait = min(wait * 2, 5.0)

    def _hear(self, connection: Any) -> None:
        while not self._closed.is_set():
            select.select([connection.fileno(), self._wake_read], [], [])
            if any(not notice.payload.startswith(self.sender) for notice in connection.notifies(timeout=0)):
                self._tell()

    def _tell(self) -> None:
        self._dirty.set()
        for wakeup in tuple(self._waiting):
            wakeup.set()
