"""Brings the schema of a database up to this program's; the only place that imports Alembic."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from rota.store import failures, postgres, schema, sqlite
from rota.store.engine import Store, open_store, serialize

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(url: str, *, backup_dir: Path | None = None) -> tuple[str | None, str]:
    """Migrate the database at `url`, or create Rota's tables in an empty one; return the revisions before and after.

    An SQLite file is copied first (into `backup_dir`, default: its folder). Running servers may go on. Raises
    StoreError.
    """
    parsed = sa.make_url(url)
    if parsed.get_backend_name() == "sqlite":
        before = schema.version_of_file(sqlite.path_of(parsed))
        open_store(url, backup_dir=backup_dir).close()
        return before, schema.HEAD
    store = Store(*postgres.engines(postgres.normalized(parsed), durable=True), parsed.render_as_string(), None)
    try:
        with store.write() as conn:
            serialize(conn, "migrate")
            conn.exec_driver_sql("SET LOCAL statement_timeout = 0")
            before = schema.version_of(conn)
            schema.refuse_newer(store, conn, before)
            upgrade(conn)
            if before is None:
                schema.stamp(conn)
    finally:
        store.close()
    return before, schema.HEAD


def migrate_sqlite(store: Store, path: Path, backup_dir: Path) -> None:
    """Copy the file and migrate it, unless another process was quicker. Raises StoreError."""
    with store.outside_transactions() as connection:
        # A table is changed by making it anew: its rows must not be missed meanwhile.
        connection.execute("PRAGMA foreign_keys=OFF")
    try:
        with store.write() as conn:
            before = schema.version_of(conn)
            if before is not None and before < schema.HEAD:
                copy(path, backup_dir / f"{path.name}.{before}.{int(time.time())}.backup")
                upgrade(conn)
    finally:
        with store.outside_transactions() as connection:
            connection.execute("PRAGMA foreign_keys=ON")


def copy(path: Path, target: Path) -> None:
    """Copy an SQLite database, as last committed, to a new file with mode 0600. Raises StoreError."""
    sqlite.prepare_file(target)
    with (
        failures.translated(str(target)),
        closing(sqlite3.connect(path)) as source,
        closing(sqlite3.connect(target)) as backup,
    ):
        source.backup(backup)


def upgrade(conn: sa.Connection) -> None:
    """Apply every revision that is missing, in the transaction of `conn`."""
    config = _config()
    config.attributes["connection"] = conn
    command.upgrade(config, "head")


def newest() -> str | None:
    """Return the number of the newest revision on file."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
