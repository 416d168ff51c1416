"""Artifacts: whole or not there, inside their folder, of this database."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

import pytest

from rota.errors import NotFound, StoreError
from rota.store import Store, artifacts
from rota.store.artifacts import TaskArtifacts
from rota.store.folder import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(path=tmp_path / "artifacts")


@pytest.fixture
def task(store: Store, folder: Folder) -> TaskArtifacts:
    return TaskArtifacts(store, folder, "0123", "f[db-1]", "dump")


def test_a_file_is_stored_with_size_and_digest_and_read_again(
    task: TaskArtifacts, store: Store, folder: Folder, tmp_path: Path
) -> None:
    data = bytes(range(256)) * 10_000
    (tmp_path / "dump.gz").write_bytes(data)
    artifact = task.save(tmp_path / "dump.gz")
    assert (artifact.name, artifact.size, artifact.sha256) == ("dump.gz", len(data), hashlib.sha256(data).hexdigest())
    with task.open(artifact.uri) as file:
        assert file.read() == data
    assert task.fetch(artifact, tmp_path / "copy").read_bytes() == data
    stored = [path for path in folder.path.rglob("*") if path.is_file()]
    assert [stat.S_IMODE(path.stat().st_mode) for path in stored] == [0o600]
    assert stored[0].relative_to(folder.path).parts[:2] == (store.database_id, "0123")
    with store.read() as conn:
        (row,) = artifacts.of_executions(conn, ["0123"])
        assert (row["uri"], row["path"], row["node"]) == (artifact.uri, "f[db-1]", "dump")
        assert artifacts.any_stored(conn)


@pytest.mark.parametrize("name", ["../../etc/passwd", "/abs", "ä ö/ü", ".hidden", "", "x" * 500, "a\x00b", "-rf"])
def test_any_name_is_kept_and_none_leads_out(task: TaskArtifacts, folder: Folder, name: str) -> None:
    with task.writer(name) as writer:
        writer.write(b"x")
    assert writer.artifact.name == name.replace("\x00", "\ufffd")
    with task.open(writer.artifact) as file:
        assert file.read() == b"x"
    assert all(path.resolve().is_relative_to(folder.path.resolve()) for path in folder.path.rglob("*"))


def test_a_file_that_was_not_finished_does_not_exist(task: TaskArtifacts, store: Store, folder: Folder) -> None:
    with pytest.raises(ZeroDivisionError), task.writer("x") as writer:
        writer.write(bytes([writer.write(b"half") // 0]))
    assert [path for path in folder.path.rglob("*") if path.is_file()] == []
    with store.read() as conn:
        assert not artifacts.any_stored(conn)


@pytest.mark.parametrize("uri", ["artifact://0123/ff/x", "file:///etc/passwd", "artifact://../../../etc/passwd", ""])
def test_what_is_no_artifact_is_not_found(task: TaskArtifacts, uri: str) -> None:
    with pytest.raises(NotFound):
        task.open(uri)


@pytest.mark.parametrize("key", ["../x", "a/../x", "/etc/passwd", "a//b", "", "a/.b", ".", "a\n", "a/\x00"])
def test_a_key_that_leads_out_is_refused(folder: Folder, key: str) -> None:
    with pytest.raises(NotFound), folder.writer(key):
        pass
    with pytest.raises(NotFound):
        folder.open(key)


def test_a_link_is_not_followed(folder: Folder, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("x")
    folder.path.mkdir()
    (folder.path / "folder").symlink_to(outside)
    (folder.path / "file").symlink_to(outside / "secret")
    for key in ("folder/secret", "file"):
        with pytest.raises(NotFound):
            folder.open(key)
    with pytest.raises(StoreError, match="Not a directory"), folder.writer("folder/new"):
        pass
    with folder.writer("file") as file:
        file.write(b"mine")
    assert (outside / "secret").read_text() == "x"
    assert not (outside / "new").exists()


def test_what_is_deleted_leaves_no_empty_folders(folder: Folder) -> None:
    with folder.writer("db/execution/token/name") as file:
        file.write(b"x")
    folder.delete("db/execution/token/name")
    folder.delete("db/execution/token/name")
    assert [path.name for path in folder.path.iterdir()] == ["db"]
    assert list((folder.path / "db").iterdir()) == []


def test_a_folder_belongs_to_one_database(folder: Folder) -> None:
    folder.claim("one", shared=False)
    folder.claim("one", shared=True)
    with pytest.raises(StoreError, match="belongs to another database"):
        folder.claim("two", shared=False)


def test_a_folder_that_others_do_not_share_is_refused(folder: Folder) -> None:
    with pytest.raises(StoreError, match="not the folder that the other servers use"):
        folder.claim("one", shared=True)
    assert not any(folder.path.iterdir())


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="look at the setting `artifacts`"):
        Folder(path=tmp_path / "file" / "artifacts").claim("one", shared=False)


def test_a_full_disk_is_said_to_be_one(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rota.store.folder.os.fsync", full)
    with pytest.raises(StoreError, match="no room"), folder.writer("a/b") as file:
        file.write(b"x")
    assert [path for path in folder.path.rglob("*") if path.is_file()] == []
