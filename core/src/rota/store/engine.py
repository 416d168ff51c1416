"""The store: opens the database, hands out connections, tells when somebody else has written."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy import exc

from rota.errors import StoreError
from rota.store import failures, postgres, schema, sqlite

Durability = Literal["power", "process"]


def open_store(
    url: str, *, durability: Durability = "power", create: bool = True, backup_dir: Path | None = None
) -> Store:
    """Open the database at `url`: `sqlite:////path/rota.db`, or `postgresql://user@host/name`.

    A missing SQLite file is created (unless `create` is false), an older one is copied (into `backup_dir`, default: its
    own folder) and migrated. With `durability="power"` what is committed survives a power failure, with `process` the
    end of the process. Raises StoreError, and StoreVersion for a schema that is newer, or older and PostgreSQL's.
    """
    parsed = _parsed(url)
    durable = durability == "power"
    if parsed.get_backend_name() != "sqlite":
        return Store.on_postgres(postgres.normalized(parsed), durable=durable)
    return Store.on_sqlite(parsed, durable=durable, create=create, backup_dir=backup_dir)


def exists(url: str) -> bool:
    """Say whether the database at `url` is there, as far as that can be told without a connection: always, of a server.

    Raises StoreError for what is no URL.
    """
    parsed = _parsed(url)
    return parsed.get_backend_name() != "sqlite" or sqlite.path_of(parsed).exists()


def file_of(url: str) -> Path | None:
    """Return the file of the database at `url`, None for a server's. Raises StoreError for what is no URL."""
    parsed = _parsed(url)
    return sqlite.path_of(parsed) if parsed.get_backend_name() == "sqlite" else None


def now(conn: sa.Connection) -> float:
    """Return the time by the database's clock, in seconds since 1970: the server's, or this machine's for a file."""
    return time.time() if conn.dialect.name == "sqlite" else float(conn.execute(_NOW).scalar_one())


def serialize(conn: sa.Connection, name: str) -> None:
    """Hold, until the transaction of `conn` ends, what only one may do at a time; on SQLite every writer is alone."""
    if conn.dialect.name != "sqlite":
        conn.execute(_SERIALIZE, {"name": name})


def _parsed(url: str) -> sa.URL:
    try:
        return sa.make_url(url)
    except exc.ArgumentError as error:
        raise StoreError("the setting `store` is no database URL", hint="write `sqlite:////path/to/rota.db`") from error


_NOW = sa.text("SELECT extract(epoch FROM clock_timestamp())::float8")
_SERIALIZE = sa.text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 7263))")
_NOTIFY = sa.text("SELECT pg_notify(:channel, :payload)")


class Store:
    """An open database.

    Attributes:
        dialect: `sqlite` or `postgresql`.
        where: the file, or the server without its password: for messages.
        path: the file of an SQLite database, else None.
        database_id: made with the database, and never changed.
    """

    def __init__(self, reader: sa.Engine, writer: sa.Engine, where: str, path: Path | None) -> None:
        self.dialect = reader.dialect.name
        self.where, self.path = where, path
        self._reader, self._writer = reader, writer
        self._guard = threading.Lock()
        self._holder: int | None = None
        self._warm: sa.Connection | None = None
        self._watch: sqlite.Watch | postgres.Watch | None = None
        self.database_id = ""

    @classmethod
    def on_sqlite(cls, url: sa.URL, *, durable: bool, create: bool, backup_dir: Path | None) -> Store:
        """Open a file; see `open_store`."""
        path = sqlite.path_of(url)
        store = cls(*sqlite.engines(url, path, durable=durable), str(path), path)
        try:
            schema.ensure_sqlite(store, path, read_only=sqlite.is_read_only(url), create=create, backup_dir=backup_dir)
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def on_postgres(cls, url: sa.URL, *, durable: bool) -> Store:
        """Open a database of a server; see `open_store`."""
        store = cls(*postgres.engines(url, durable=durable), url.render_as_string(hide_password=True), None)
        try:
            schema.ensure_postgres(store)
        except BaseException:
            store.close()
            raise
        store._watch = postgres.Watch(url)
        return store

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Give a connection that sees one state of the database and cannot write. Raises StoreError."""
        with failures.translated(self.where), self._reader.connect() as conn, conn.begin():
            yield conn

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Give a connection in a writing transaction, committed at the end of the block, rolled back on an exception.

        On SQLite there is one such block at a time in a process, and one in all processes. Raises StoreError; its
        `doubtful` is true when nobody can know whether the COMMIT took place.
        """
        with (
            failures.translated(self.where),
            self._alone() if self.dialect == "sqlite" else self._writer.connect() as conn,
        ):
            transaction = conn.begin()
            try:
                yield conn
            except BaseException as error:
                self._roll_back(conn, transaction)
                if self.dialect != "sqlite" and failures.is_read_only(error):
                    conn.invalidate()  # a new one may lead to a server that can be written to
                raise
            self._commit(conn, transaction)

    @contextmanager
    def outside_transactions(self) -> Iterator[Any]:
        """Give the driver's writing connection to an SQLite file, for what must not be in a transaction."""
        with self._alone() as conn, failures.translated(self.where):
            yield sqlite.raw(conn)

    @property
    def tells_of_writes(self) -> bool:
        """Whether `changed` becomes true for every write of another process: of an SQLite file, not of a server."""
        return self.dialect == "sqlite"

    def changed(self) -> bool:
        """Whether another process has committed (PostgreSQL: has called `notify`) since this was last asked.

        At first it is true once, since nobody knows what happened before.
        """
        with failures.translated(self.where):
            return self._watching().changed()

    def wait(self, timeout: float, wakeup: threading.Event) -> bool:
        """Wait until `wakeup` is set, `changed()` becomes true, or `timeout` seconds are over; return `changed()`.

        It does not clear `wakeup`, and may set it.
        """
        with failures.translated(self.where):
            return self._watching().wait(timeout, wakeup)

    def notify(self, conn: sa.Connection, channel: str) -> None:
        """Have other processes' `changed()` become true when the transaction of `conn` commits; `channel` says why.

        SQLite sees that by itself.
        """
        if isinstance(self._watch, postgres.Watch):
            conn.execute(_NOTIFY, {"channel": postgres.CHANNEL, "payload": f"{self._watch.sender} {channel}"})

    def close(self) -> None:
        """Close all connections."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        if self._warm is not None:
            self._warm.close()
            self._warm = None
        self._writer.dispose()
        self._reader.dispose()

    def _watching(self) -> sqlite.Watch | postgres.Watch:
        if self._watch is None:
            assert self.path is not None
            self._watch = sqlite.Watch(self.path, self.outside_transactions)
        return self._watch

    @contextmanager
    def _alone(self) -> Iterator[sa.Connection]:
        """Give the one writing connection to an SQLite file, kept open, to one thread at a time."""
        if self._holder == threading.get_ident():
            raise RuntimeError("this thread is inside `write()` already")
        with self._guard:
            self._holder = threading.get_ident()
            try:
                if self._warm is None:
                    with failures.translated(self.where):
                        self._warm = self._writer.connect()
                yield self._warm
            finally:
                self._holder = None

    def _commit(self, conn: sa.Connection, transaction: sa.RootTransaction) -> None:
        try:
            transaction.commit()
        except exc.DBAPIError as error:
            self._roll_back(conn, transaction)
            raise failures.translate(error, self.where, committing=True) from error

    def _roll_back(self, conn: sa.Connection, transaction: sa.RootTransaction) -> None:
        try:
            transaction.rollback()
        except exc.DBAPIError:
            conn.invalidate()  # there is nothing to roll back on it any more
