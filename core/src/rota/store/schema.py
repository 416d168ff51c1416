"""Creates a new database, and refuses one whose schema does not fit this program."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from rota.errors import NotFound, StoreError, StoreVersion
from rota.store import failures, sqlite
from rota.store.tables import alembic_version, meta, metadata

if TYPE_CHECKING:
    from rota.store.engine import Store

HEAD = "0001"
"""The newest revision of the schema: the number of the last file in `migrations/versions`."""


def ensure_sqlite(store: Store, path: Path, *, read_only: bool, create: bool, backup_dir: Path | None) -> None:
    """Create the file, or check that it fits, or copy and migrate it. Sets the store's `database_id`."""
    if not path.exists() or (path.is_file() and path.stat().st_size == 0):
        if read_only or not create:
            raise NotFound(f"there is no database `{path}`", hint="`rota init` makes one")
        _create_file(store, path)
    elif not read_only and path.is_file():
        sqlite.prepare_file(path)
    version = _identify(store)
    if version >= HEAD:
        return
    if read_only:
        raise _older(store, version)
    from rota.store.migrate import migrate_sqlite

    migrate_sqlite(store, path, backup_dir or path.parent)
    _identify(store)


def ensure_postgres(store: Store) -> None:
    """Check that the schema fits. Sets the store's `database_id`. Raises StoreVersion."""
    version = _identify(store)
    if version < HEAD:
        raise _older(store, version)


def stamp(conn: sa.Connection) -> None:
    """Give a new database its identity."""
    rows = {"database_id": uuid.uuid4().hex, "created_at": str(time.time()), "usable_from": HEAD}
    conn.execute(sa.insert(meta), [{"key": key, "value": value} for key, value in rows.items()])


def version_of(conn: sa.Connection) -> str | None:
    """Return the revision of a database's schema, None where there is none."""
    if not sa.inspect(conn).has_table(alembic_version.name):
        return None
    return conn.execute(sa.select(alembic_version.c.version_num)).scalar()


def version_of_file(path: Path) -> str | None:
    """Return the revision of an SQLite file, None where there is none. Raises StoreError."""
    if not path.exists():
        return None
    engine = sa.create_engine(f"sqlite:///{path}")
    try:
        with failures.translated(str(path)), engine.connect() as conn:
            return version_of(conn)
    finally:
        engine.dispose()


def refuse_newer(store: Store, conn: sa.Connection, version: str | None) -> None:
    """Raise StoreVersion for a schema that this program does not know, unless it says that it is still usable."""
    if version is None or version <= HEAD:
        return
    usable_from = conn.execute(sa.select(meta.c.value).where(meta.c.key == "usable_from")).scalar()
    if usable_from is None or usable_from > HEAD:
        raise StoreVersion(
            f"`{store.where}` has schema {version}, which is newer than this program knows ({HEAD})",
            hint="upgrade Rota on this machine",
        )


def _create_file(store: Store, path: Path) -> None:
    try:
        sqlite.prepare_file(path)
    except OSError as error:
        reason, hint = error.strerror, "look at the setting `store`"
        raise StoreError(f"`{path}` cannot be created: {reason}", hint=hint) from error
    with store.outside_transactions() as connection:
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connection.execute("PRAGMA journal_mode=WAL")
    with store.write() as conn:
        # Another process may have been quicker.
        if not sa.inspect(conn).has_table(meta.name):
            metadata.create_all(conn, checkfirst=False)
            conn.execute(sa.insert(alembic_version), {"version_num": HEAD})
            stamp(conn)


def _identify(store: Store) -> str:
    """Read version and identity of the database. Raises StoreVersion for a newer one, StoreError for another's."""
    with store.read() as conn:
        version = version_of(conn)
        if version is None:
            raise _not_rotas(store, empty=not sa.inspect(conn).get_table_names())
        refuse_newer(store, conn, version)
        store.database_id = conn.execute(sa.select(meta.c.value).where(meta.c.key == "database_id")).scalar_one()
    return version


def _not_rotas(store: Store, *, empty: bool) -> StoreError:
    if empty and store.dialect != "sqlite":
        return StoreVersion(f"`{store.where}` is empty", hint="`rota migrate` makes Rota's tables in it")
    return StoreError(f"`{store.where}` is not a database of Rota", hint="look at the setting `store`")


def _older(store: Store, version: str) -> StoreVersion:
    return StoreVersion(f"`{store.where}` has schema {version}, this program needs {HEAD}", hint="run `rota migrate`")
