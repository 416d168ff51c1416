"""Purging: what is old, everything about it, nothing else, and nobody waits for long."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from rota.store import (
    Store,
    commands,
    executions,
    flows,
    iterations,
    kv,
    leases,
    logs,
    outbox,
    purge,
    task_runs,
    triggers,
)
from rota.store.artifacts import TaskArtifacts
from rota.store.folder import Folder
from rota.store.tables import metadata
from tests.core.store.rows import execution, firing, task_run


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(path=tmp_path / "artifacts")


def _fill(store: Store, folder: Folder, number: int, lines: int = 5, **values: Any) -> None:
    row = execution(number, **values)
    log = {"execution_id": row["id"], "path": "", "node": "a", "attempt": 1, "at": 1.0, "level": "info", "fields": None}
    with store.write() as conn:
        executions.insert(conn, {"labels": {"n": str(number)}} | row)
        task_runs.save(conn, [task_run("a", execution_id=row["id"])])
        task_runs.save_attempts(conn, [task_run("a", execution_id=row["id"])])
        iterations.insert_many(
            conn,
            [{"execution_id": row["id"], "path": "", "node": "f", "idx": idx, "key": str(idx)} for idx in range(3)],
        )
        logs.insert_many(conn, [{**log, "message": str(line)} for line in range(lines)])
        commands.add(conn, row["id"], "cancel", at=1.0)
    with TaskArtifacts(store, folder, row["id"], "", "a").writer("x") as writer:
        writer.write(b"x")


def _purge(store: Store, folder: Folder, **options: Any) -> purge.Purged:
    return purge.purge(store, before=100.0, delete_artifact=folder.delete, **options)


def _left(store: Store) -> list[int]:
    with store.read() as conn:
        return [int(row["id"], 16) for row in reversed(executions.page(conn))]


def test_old_executions_go_with_everything_about_them(store: Store, folder: Folder) -> None:
    _fill(store, folder, 1, lines=1200, ended_at=10.0, state="success")
    found = _purge(store, folder)
    assert (found.executions, found.artifacts) == (1, 1)
    assert found.rows == 1200 + 1 + 1 + 3 + 1 + 1
    kept = {"meta", "alembic_version"}
    with store.read() as conn:
        full = {name for name, table in metadata.tables.items() if conn.execute(sa.select(table)).first()}
    assert full <= kept
    assert [path for path in folder.path.rglob("*") if path.is_file()] == []


def test_what_is_young_alive_elsewhere_or_otherwise_ended_stays(store: Store, folder: Folder) -> None:
    _fill(store, folder, 1, ended_at=10.0, state="success", namespace="data.mongo")
    _fill(store, folder, 2, ended_at=10.0, state="failed")
    _fill(store, folder, 3, ended_at=200.0, state="success")
    _fill(store, folder, 4)
    _fill(store, folder, 5, ended_at=10.0, state="success", namespace="web")
    assert _purge(store, folder, namespace="data", states=["success"], dry_run=True).executions == 1
    assert _left(store) == [1, 2, 3, 4, 5]
    assert _purge(store, folder, namespace="data", states=["success"]).executions == 1
    assert _left(store) == [2, 3, 4, 5]
    _purge(store, folder)
    assert _left(store) == [3, 4]
    with store.read() as conn:
        assert len(logs.page(conn, execution(4)["id"])) == 5


def test_a_subflow_stays_as_long_as_its_family_lives(store: Store, folder: Folder) -> None:
    root = execution(1)["id"]
    _fill(store, folder, 1)
    _fill(store, folder, 2, root_id=root, parent_id=root, ended_at=10.0)
    _purge(store, folder)
    assert _left(store) == [1, 2]


def test_an_execution_stays_until_its_leases_are_revoked(store: Store, folder: Folder) -> None:
    _fill(store, folder, 1, ended_at=10.0)
    with store.write() as conn:
        lease = leases.add(conn, execution(1)["id"], "vault", "p", "cipher", None)
    _purge(store, folder)
    assert _left(store) == [1]
    with store.write() as conn:
        leases.ended(conn, lease)
    _purge(store, folder)
    assert _left(store) == []


def test_what_triggers_remember_is_kept_and_drafts_and_files_go(store: Store, folder: Folder) -> None:
    with store.write() as conn:
        triggers.save(conn, "data", "backup", "nightly", updated_at=1.0, high_water_at=50.0)
        triggers.fire(conn, [firing("then", execution(1)["id"], at=5.0), firing("now", execution(2)["id"], at=200.0)])
        flows.deploy(conn, "data", "backup", "x", {"a": b"kept"}, author="", at=1.0)
        used = flows.draft(conn, "data", "try", "y", {"a": b"used"}, author="", at=1.0)
        flows.draft(conn, "data", "try", "z", {"a": b"dropped"}, author="", at=1.0)
        outbox.add(conn, [{"execution_id": "x", "run": 1, "state": "success", "created_at": 5.0}])
        kv.put(conn, "data", "old", 1, at=1.0, expires_at=2.0)
        kv.put(conn, "data", "kept", 1, at=1.0)
        executions.insert(conn, execution(9, revision_id=used))
    assert _purge(store, folder).revisions == 1
    with store.read() as conn:
        assert (triggers.get(conn, "data", "backup", "nightly") or {})["high_water_at"] == 50.0
        assert conn.exec_driver_sql("SELECT key FROM firings").scalars().all() == ["now"]
        contents = conn.exec_driver_sql("SELECT content FROM files").scalars().all()
        assert sorted(bytes(content) for content in contents) == [b"kept", b"used"]
        assert conn.exec_driver_sql("SELECT count(*) FROM outbox").scalar() == 0
        assert conn.exec_driver_sql("SELECT key FROM kv").scalars().all() == ["kept"]


def test_writers_get_their_turn_while_much_is_purged(store: Store, folder: Folder) -> None:
    for number in range(5):
        _fill(store, folder, number, lines=3000, ended_at=10.0)
    turns = 0
    done = threading.Event()

    def write() -> None:
        nonlocal turns
        while not done.is_set():
            with store.write() as conn:
                kv.put(conn, "other", "turn", turns, at=1.0)
            turns += 1
            time.sleep(0.001)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        _purge(store, folder)
    finally:
        done.set()
        writer.join()
    assert _left(store) == []
    assert turns > 10


def test_a_purged_file_is_smaller(sqlite_store: Store, folder: Folder) -> None:
    path = sqlite_store.path
    assert path is not None

    def pages() -> int:
        with sqlite_store.read() as conn:
            return int(conn.exec_driver_sql("PRAGMA page_count").scalar_one())

    before = pages()
    _fill(sqlite_store, folder, 1, lines=20_000, ended_at=10.0)
    full = pages()
    _purge(sqlite_store, folder)
    assert full > before + 300
    assert pages() < before + 20
