"""The schema: new, migrated, copied first, the same whichever way it came about."""

from __future__ import annotations

import shutil
import sqlite3
import stat
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from rota.errors import StoreVersion
from rota.store import kv, open_store, schema
from rota.store import migrate as migrating
from rota.store.migrate import migrate, upgrade
from rota.store.tables import metadata

_NEXT = """
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    with op.batch_alter_table("kv") as table:
        table.add_column(sa.Column("note", sa.Text()))
"""


@pytest.fixture
def next_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make this program one whose schema has a revision more."""
    folder = tmp_path / "migrations"
    shutil.copytree(migrating.MIGRATIONS, folder)
    (folder / "versions" / "0002_next.py").write_text(_NEXT)
    monkeypatch.setattr(migrating, "MIGRATIONS", folder)
    monkeypatch.setattr(schema, "HEAD", "0002")


def test_the_head_is_the_last_revision() -> None:
    assert migrating.newest() == schema.HEAD


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_the_migrated_schema_is_that_of_the_tables(
    dialect: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/x.db" if dialect == "sqlite" else request.getfixturevalue("postgres_url")
    engine = sa.create_engine(url)
    with engine.begin() as conn:
        upgrade(conn)
        context = MigrationContext.configure(conn, opts={"compare_server_default": dialect != "sqlite"})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_an_index_over_some_rows_is_so_on_every_database(
    dialect: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/x.db" if dialect == "sqlite" else request.getfixturevalue("postgres_url")
    engine = sa.create_engine(url)
    with engine.begin() as conn:
        upgrade(conn)
        partial = {
            index["name"]
            for table in sa.inspect(conn).get_table_names()
            for index in sa.inspect(conn).get_indexes(table)
            if index.get("dialect_options", {}).get(f"{dialect}_where") is not None
        }
    engine.dispose()
    wanted = {index.name for table in metadata.tables.values() for index in table.indexes if index.info}
    assert wanted
    assert partial == wanted


def test_a_new_file_is_the_same_as_a_migrated_one(tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path}/new.db").close()
    engine = sa.create_engine(f"sqlite:///{tmp_path}/migrated.db")
    with engine.begin() as conn:
        upgrade(conn)
    engine.dispose()
    assert _statements(tmp_path / "new.db") == _statements(tmp_path / "migrated.db")


def test_migrating_an_up_to_date_database_changes_nothing(store_url: str) -> None:
    assert migrate(store_url) == (schema.HEAD, schema.HEAD)


def test_migrate_makes_the_tables(postgres_url: str, sqlite_path: Path) -> None:
    for url in (postgres_url, f"sqlite:///{sqlite_path}"):
        assert migrate(url) == (None, schema.HEAD)
        open_store(url).close()


@pytest.mark.usefixtures("next_program")
def test_an_older_file_is_copied_and_migrated_when_it_is_opened(
    sqlite_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{sqlite_path}"
    with monkeypatch.context() as earlier:
        earlier.setattr(schema, "HEAD", "0001")
        store = open_store(url)
        with store.write() as conn:
            kv.put(conn, "a", "b", 1, at=1)
        store.close()
    store = open_store(url)
    with store.write() as conn:
        conn.exec_driver_sql("UPDATE kv SET note = 'new'")
        assert kv.get(conn, "a", "b", at=1) == 1
        assert conn.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
    store.close()
    (copy,) = sqlite_path.parent.glob("rota.db.0001.*.backup")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert sqlite3.connect(copy).execute("SELECT key FROM kv").fetchall() == [("b",)]


@pytest.mark.usefixtures("next_program")
def test_an_older_server_is_migrated_by_the_command_alone(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    migrate(postgres_url)
    engine = sa.create_engine(postgres_url)
    with engine.begin() as conn:
        conn.exec_driver_sql("ALTER TABLE kv DROP COLUMN note")
        conn.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    engine.dispose()
    with pytest.raises(StoreVersion, match="rota migrate"):
        open_store(postgres_url)
    assert migrate(postgres_url) == ("0001", "0002")
    open_store(postgres_url).close()


@pytest.mark.usefixtures("next_program")
def test_a_migration_that_fails_leaves_the_file_as_it_was(sqlite_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{sqlite_path}"
    with monkeypatch.context() as earlier:
        earlier.setattr(schema, "HEAD", "0001")
        open_store(url).close()
    before = _statements(sqlite_path)
    broken = migrating.MIGRATIONS / "versions" / "0002_next.py"
    broken.write_text(_NEXT + "    raise ZeroDivisionError\n")
    with pytest.raises(ZeroDivisionError):
        open_store(url)
    assert _statements(sqlite_path) == before


def _statements(path: Path) -> set[str]:
    connection = sqlite3.connect(path)
    found = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    connection.close()
    return {" ".join(sql.split()) for (sql,) in found}
