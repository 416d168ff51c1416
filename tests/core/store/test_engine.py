"""Opening, reading, writing, and hearing of others."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from rota.errors import NotFound, StoreBusy, StoreError, StoreReadOnly, StoreVersion
from rota.store import Store, engine, kv, now, open_store, sqlite
from rota.store.migrate import migrate
from rota.store.tables import meta


def test_importing_the_store_imports_neither_alembic_nor_cryptography_nor_psycopg() -> None:
    code = "import rota.store, sys; print([m for m in ('alembic', 'cryptography', 'psycopg') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=_environment())
    assert run.stdout.strip() == "[]"


def test_a_new_file_is_made_without_alembic(sqlite_path: Path) -> None:
    code = "import sys; from rota.store import open_store; open_store(sys.argv[1]); print('alembic' in sys.modules)"
    argv = [sys.executable, "-c", code, f"sqlite:///{sqlite_path}"]
    run = subprocess.run(argv, capture_output=True, text=True, check=True, env=_environment())
    assert run.stdout.strip() == "False"
    assert sqlite_path.exists()


def test_the_file_and_its_folder_are_closed_to_others(sqlite_path: Path) -> None:
    store = open_store(f"sqlite:///{sqlite_path}")
    with store.write() as conn:
        kv.put(conn, "a", "b", 1, at=0)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in sqlite_path.parent.iterdir()}
    store.close()
    assert modes == {"rota.db": 0o600, "rota.db-wal": 0o600, "rota.db-shm": 0o600}
    assert stat.S_IMODE(sqlite_path.parent.stat().st_mode) == 0o700


def test_a_file_that_others_could_read_is_closed_to_them_when_it_is_opened(sqlite_path: Path) -> None:
    open_store(f"sqlite:///{sqlite_path}").close()
    sqlite_path.chmod(0o644)
    open_store(f"sqlite:///{sqlite_path}").close()
    assert stat.S_IMODE(sqlite_path.stat().st_mode) == 0o600


def test_the_database_keeps_its_identity(store_url: str) -> None:
    first, second = open_store(store_url), open_store(store_url)
    assert len(first.database_id) == 32
    assert first.database_id == second.database_id
    first.close()
    second.close()


@pytest.mark.parametrize(("durability", "expected"), [("power", 2), ("process", 1)])
def test_durability_decides_how_an_sqlite_commit_is_synced(sqlite_path: Path, durability: str, expected: int) -> None:
    store = open_store(f"sqlite:///{sqlite_path}", durability=durability)  # type: ignore[arg-type]
    with store.write() as conn:
        assert conn.exec_driver_sql("PRAGMA synchronous").scalar() == expected
        assert conn.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    store.close()


@pytest.mark.parametrize(("durability", "expected"), [("power", "on"), ("process", "off")])
def test_durability_decides_how_a_postgresql_commit_is_synced(
    postgres_url: str, durability: str, expected: str
) -> None:
    migrate(postgres_url)
    store = open_store(postgres_url, durability=durability)  # type: ignore[arg-type]
    with store.write() as conn:
        assert conn.exec_driver_sql("SHOW synchronous_commit").scalar() == expected
    store.close()


def test_what_was_written_is_read_and_an_exception_rolls_back(store: Store) -> None:
    with store.write() as conn:
        kv.put(conn, "a", "kept", {"x": [1, None, "é", "\x00", "\ud800"]}, at=1)
    with pytest.raises(KeyError, match="lost"), store.write() as conn:
        _put_and_fail(conn)
    with store.read() as conn:
        assert kv.get(conn, "a", "kept", at=2) == {"x": [1, None, "é", "\x00", "\ud800"]}
        assert kv.get(conn, "a", "lost", "gone", at=2) == "gone"


def _put_and_fail(conn: sa.Connection) -> None:
    kv.put(conn, "a", "lost", 1, at=1)
    raise KeyError("lost")


def test_a_reader_sees_one_state_of_the_database(store: Store) -> None:
    with store.read() as reader:
        assert kv.keys(reader, "a", at=1) == []
        with store.write() as writer:
            kv.put(writer, "a", "b", 1, at=1)
        assert kv.keys(reader, "a", at=1) == []
    with store.read() as reader:
        assert kv.keys(reader, "a", at=1) == ["b"]


def test_a_reader_cannot_write(store: Store) -> None:
    with pytest.raises(StoreReadOnly), store.read() as conn:
        kv.put(conn, "a", "b", 1, at=1)


def test_writing_inside_writing_is_an_error_and_not_a_deadlock(sqlite_path: Path) -> None:
    store = open_store(f"sqlite:///{sqlite_path}")
    with store.write(), pytest.raises(RuntimeError, match="inside"), store.write():
        pass
    with store.write() as conn:
        kv.put(conn, "a", "b", 1, at=1)
    store.close()


def test_threads_write_one_after_the_other(store: Store) -> None:
    def count(_: int) -> None:
        for _ in range(20):
            with store.write() as conn:
                engine.serialize(conn, "count")
                kv.put(conn, "a", "n", kv.get(conn, "a", "n", 0, at=1) + 1, at=1)

    threads = [threading.Thread(target=count, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as conn:
        assert kv.get(conn, "a", "n", at=1) == 80


def test_what_is_stored_is_not_in_an_error_nor_in_its_causes(store: Store) -> None:
    with pytest.raises(StoreError) as caught, store.write() as conn:
        conn.execute(sa.insert(meta), [{"key": "x", "value": "s3cr3t"}] * 2)
    causes = [caught.value, caught.value.__cause__]
    assert not any("s3cr3t" in f"{cause} {cause!r}" for cause in causes)


def test_the_database_has_a_clock(store: Store) -> None:
    with store.read() as conn:
        assert abs(now(conn) - time.time()) < 60


def test_a_missing_file_is_not_made_unless_asked(sqlite_path: Path) -> None:
    with pytest.raises(NotFound, match="rota init"):
        open_store(f"sqlite:///{sqlite_path}", create=False)
    assert not sqlite_path.exists()


def test_a_database_of_somebody_else_is_refused(sqlite_path: Path) -> None:
    sqlite_path.parent.mkdir()
    other = sa.create_engine(f"sqlite:///{sqlite_path}")
    with other.begin() as conn:
        conn.exec_driver_sql("CREATE TABLE mine (x)")
    other.dispose()
    with pytest.raises(StoreError, match="not a database of Rota"):
        open_store(f"sqlite:///{sqlite_path}")


def test_a_file_that_is_no_database_is_refused(sqlite_path: Path) -> None:
    sqlite_path.parent.mkdir()
    sqlite_path.write_bytes(b"something else" * 100)
    with pytest.raises(StoreError, match="no SQLite database"):
        open_store(f"sqlite:///{sqlite_path}")
    assert sqlite_path.read_bytes().startswith(b"something else")


def test_a_folder_in_the_place_of_the_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        open_store(f"sqlite:///{tmp_path}")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "no database URL"),
        ("/var/lib/rota.db", "no database URL"),
        ("mysql://host/name", "`mysql` is not supported"),
        ("sqlite://", "must be a file"),
        ("sqlite:///:memory:", "must be a file"),
    ],
)
def test_a_wrong_url_is_refused(url: str, message: str) -> None:
    with pytest.raises(StoreError, match=message):
        open_store(url)


def test_postgresql_without_psycopg_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"pip install 'rota\[postgres\]'"):
        open_store("postgresql://host/name")


def test_an_empty_postgresql_database_asks_for_migrate(postgres_url: str) -> None:
    with pytest.raises(StoreVersion, match="rota migrate"):
        open_store(postgres_url)


def test_a_plain_postgresql_url_is_understood(postgres_url: str) -> None:
    migrate(postgres_url.replace("postgresql+psycopg:", "postgres:"))
    store = open_store(postgres_url.replace("postgresql+psycopg:", "postgresql:"))
    assert store.dialect == "postgresql"
    store.close()


def test_a_server_that_is_not_there_is_busy_and_its_password_is_not_shown() -> None:
    with pytest.raises(StoreBusy) as caught:
        open_store("postgresql://user:hidden@127.0.0.1:1/name")
    assert "hidden" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)
    assert not caught.value.doubtful


@pytest.mark.parametrize("stamp", ["9999", "0002"])
def test_a_newer_schema_is_refused(store_url: str, stamp: str) -> None:
    store = open_store(store_url)
    with store.write() as conn:
        conn.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{stamp}'")
        conn.execute(sa.update(meta).where(meta.c.key == "usable_from").values(value=stamp))
    store.close()
    with pytest.raises(StoreVersion, match="newer than this program"):
        open_store(store_url)
    with pytest.raises(StoreVersion, match="newer than this program"):
        migrate(store_url)


def test_a_newer_schema_that_this_program_can_use_is_used(store_url: str) -> None:
    store = open_store(store_url)
    with store.write() as conn:
        conn.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    store.close()
    store = open_store(store_url)
    with store.write() as conn:
        kv.put(conn, "a", "b", 1, at=1)
    store.close()


def _settle(store: Store) -> None:
    """Wait until the store listens: a listener that has just come tells so once."""
    if store.dialect != "sqlite":
        assert store.wait(30, threading.Event())
    store.changed()


def test_changed_is_true_once_for_what_somebody_else_has_committed(store: Store, store_url: str) -> None:
    other = open_store(store_url)
    _settle(store)
    with store.write() as conn:
        kv.put(conn, "a", "own", 1, at=1)
        store.notify(conn, "commands")
    assert not store.wait(0.2, threading.Event())
    with other.write() as conn:
        kv.put(conn, "a", "theirs", 1, at=1)
        other.notify(conn, "commands")
    assert store.wait(30, threading.Event())
    assert not store.changed()
    other.close()


def test_waiting_ends_when_somebody_wakes_it(store: Store) -> None:
    _settle(store)
    wakeup = threading.Event()
    threading.Timer(0.05, wakeup.set).start()
    started = time.monotonic()
    assert not store.wait(60, wakeup)
    assert time.monotonic() - started < 50


def test_waiting_ends_in_time_on_an_idle_file_without_a_statement(sqlite_path: Path) -> None:
    store = open_store(f"sqlite:///{sqlite_path}")
    assert store.changed()
    assert not store.changed()
    seen: list[str] = []
    with store.outside_transactions() as connection:
        connection.set_trace_callback(seen.append)
    store.wait(0.3, threading.Event())
    assert len(seen) <= 2
    store.close()


def test_the_urls_path_may_hold_what_urls_do_not_like(tmp_path: Path) -> None:
    path = tmp_path / "a b?c#d%25" / "rota.db"
    store = open_store(sa.URL.create("sqlite", database=str(path)).render_as_string())
    assert sqlite.path_of(sa.make_url(f"sqlite:///{tmp_path}/x.db")) == tmp_path / "x.db"
    assert store.path is not None
    assert store.path.exists()
    store.close()


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
