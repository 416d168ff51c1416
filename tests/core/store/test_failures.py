"""A full disk, a locked file, a read-only one, a server that goes away."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import exc

from rota.errors import StoreBusy, StoreError, StoreFull, StoreReadOnly
from rota.store import Store, failures, kv, open_store, sqlite
from rota.store.migrate import migrate
from tests.core.store.test_engine import _environment
from tests.lab.postgres import Postgres

_FILL = """
    import resource, sys
    from rota.errors import StoreFull
    from rota.store import kv, open_store
    store = open_store(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))
    kept = 0
    try:
        for number in range(1000):
            with store.write() as conn:
                kv.put(conn, "a", f"{number:05}", "x" * 100_000, at=1)
            kept += 1
    except StoreFull as error:
        print(kept, error.doubtful, str(error).partition(chr(10))[0], sep="|")
"""

_LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
input()
"""


def test_a_file_that_may_not_grow_is_full_and_what_was_committed_stays(sqlite_path: Path) -> None:
    url = f"sqlite:///{sqlite_path}"
    argv = [sys.executable, "-c", textwrap.dedent(_FILL), url]
    run = subprocess.run(argv, capture_output=True, text=True, check=True, env=_environment())
    kept, doubtful, message = run.stdout.strip().split("|")
    assert (message, doubtful) == (f"`{sqlite_path}` cannot grow: no space is left, or a limit was reached", "False")
    store = open_store(url)
    with store.read() as conn:
        assert len(kv.keys(conn, "a", at=1)) == int(kept) > 0
    store.close()


def test_a_store_goes_on_after_a_failure_to_grow(sqlite_path: Path) -> None:
    store = open_store(f"sqlite:///{sqlite_path}")
    with store.outside_transactions() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages + 5}")
    with pytest.raises(StoreFull, match="rota purge"), store.write() as conn:
        kv.put(conn, "a", "big", "x" * 1_000_000, at=1)
    with store.write() as conn:
        kv.put(conn, "a", "small", 1, at=1)
    with store.read() as conn:
        assert kv.keys(conn, "a", at=1) == ["small"]
    store.close()


def test_a_file_locked_by_another_process_is_busy(sqlite_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT", 0.05)
    store = open_store(f"sqlite:///{sqlite_path}")
    argv = [sys.executable, "-c", _LOCK, str(sqlite_path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline()
        with pytest.raises(StoreBusy, match="locked by another process"), store.write():
            pass
        with store.read() as conn:
            assert kv.keys(conn, "a", at=1) == []
        other.stdin.close()
    with store.write() as conn:
        kv.put(conn, "a", "b", 1, at=1)
    store.close()


def test_a_read_only_database_is_read_and_not_written(sqlite_path: Path) -> None:
    writer = open_store(f"sqlite:///{sqlite_path}")
    with writer.write() as conn:
        kv.put(conn, "a", "b", 1, at=1)
    store = open_store(f"sqlite:///file:{sqlite_path}?mode=ro&uri=true")
    with store.read() as conn:
        assert kv.keys(conn, "a", at=1) == ["b"]
    with pytest.raises(StoreReadOnly, match="cannot be written to"), store.write() as conn:
        kv.put(conn, "a", "c", 1, at=1)
    store.close()
    writer.close()


def test_a_server_that_dies_is_out_of_reach_and_found_again() -> None:
    with Postgres.start() as server:
        migrate(server.url)
        store = open_store(server.url)
        with pytest.raises(StoreBusy, match="out of reach") as caught:
            _write_around(store, server.kill)
        assert not caught.value.doubtful
        with pytest.raises(StoreBusy), store.read() as conn:
            kv.keys(conn, "a", at=1)
        server.restart()
        with store.write() as conn:
            assert kv.keys(conn, "a", at=1) == []
        with pytest.raises(StoreBusy) as caught:
            _write_and(store, server.kill)
        assert caught.value.doubtful
        store.close()


def _write_around(store: Store, event: Callable[[], None]) -> None:
    with store.write() as conn:
        kv.put(conn, "a", "before", 1, at=1)
        event()
        kv.put(conn, "a", "after", 1, at=1)


def _write_and(store: Store, event: Callable[[], None]) -> None:
    with store.write() as conn:
        kv.put(conn, "a", "perhaps", 1, at=1)
        event()


def test_a_statement_that_is_refused_is_not_doubtful(postgres_url: str) -> None:
    migrate(postgres_url)
    store = open_store(postgres_url)
    with pytest.raises(StoreError, match="no_such_table") as caught, store.write() as conn:
        conn.exec_driver_sql("SELECT * FROM no_such_table")
    assert not caught.value.doubtful
    assert "***" in str(caught.value)
    store.close()


class _Refusal(Exception):
    def __init__(self, sqlstate: str) -> None:
        super().__init__("so it is")
        self.sqlstate = sqlstate


@pytest.mark.parametrize(
    ("sqlstate", "kind", "doubtful"),
    [
        ("53100", StoreFull, False),
        ("53300", StoreBusy, False),
        ("25006", StoreReadOnly, False),
        ("40P01", StoreBusy, False),
        ("55P03", StoreBusy, False),
        ("57P01", StoreBusy, True),
        ("08006", StoreBusy, True),
        ("28P01", StoreError, False),
        ("42501", StoreError, False),
    ],
)
def test_what_the_server_says_becomes_an_error_of_rota(sqlstate: str, kind: type[StoreError], doubtful: bool) -> None:
    error = exc.DBAPIError("COMMIT", None, _Refusal(sqlstate))
    found = failures.translate(error, "postgresql://host/name", committing=True)
    assert type(found) is kind
    assert found.doubtful == doubtful
    assert "postgresql://host/name" in found.message
    assert found.hint or kind is StoreBusy


def test_a_disk_that_fails_during_commit_leaves_doubt(tmp_path: Path) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = "SQLITE_IOERR_FSYNC"
    assert failures.translate(error, str(tmp_path / "rota.db"), committing=True).doubtful
    assert not failures.translate(error, str(tmp_path / "rota.db")).doubtful
