"""Tests of `ssh.download` against a simulated host and a real OpenSSH server."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from rota import TaskFailed
from rota.testing import RecordedContext
from rota_ssh import checksums, download
from rota_ssh.connection import connection_to
from rota_ssh.download import Download
from rota_ssh.endpoint import endpoint_of
from rota_ssh.remote_files import Found, RemoteFiles

Fields = dict[str, Any]


@pytest.mark.parametrize("size", [0, 1, 32768, 5_000_000])
def test_a_file_is_stored_whole(ctx: RecordedContext, any_host: Fields, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    (tmp_path / "file").write_bytes(data)
    done = Download(**any_host, path=f"{tmp_path}/file").run(ctx)
    assert done.artifact is not None
    assert ctx.artifacts.read(done.artifact) == data
    assert (done.artifact.name, done.size, list(done.files)) == ("file", size, ["file"])


def test_a_folder_is_stored_with_what_is_in_it(ctx: RecordedContext, any_host: Fields, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    (folder / "old").mkdir(parents=True)
    (folder / "a b").write_text("1")
    (folder / "old" / "it's").write_text("2")
    (folder / "link").symlink_to("/etc/passwd")
    done = Download(**any_host, path=str(folder)).run(ctx)
    assert {name: ctx.artifacts.read(one) for name, one in done.files.items()} == {"a b": b"1", "old/it's": b"2"}
    assert (done.artifact, done.size) == (None, 2)


def test_a_pattern_takes_what_matches(ctx: RecordedContext, any_host: Fields, tmp_path: Path) -> None:
    for name in ("app-1.gz", "app-2.gz", "app.log"):
        (tmp_path / name).write_text(name)
    done = Download(**any_host, path=f"{tmp_path}/app-?.gz").run(ctx)
    assert list(done.files) == ["app-1.gz", "app-2.gz"]
    assert done.artifact is None
    assert Download(**any_host, path=f"{tmp_path}/*.none").run(ctx).files == {}
    assert f"there is no file in `{tmp_path}/*.none`" in ctx.log.text


def test_a_file_whose_size_is_unknown_is_read_to_its_end(ctx: RecordedContext, any_host: Fields) -> None:
    done = Download(**any_host, path="/proc/version", checksum=False).run(ctx)
    assert done.artifact is not None
    assert ctx.artifacts.read(done.artifact) == Path("/proc/version").read_bytes()


def test_the_checksum_asked_for_must_be_that_of_the_file(
    ctx: RecordedContext, any_host: Fields, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"data")
    right = hashlib.sha256(b"data").hexdigest()
    assert Download(**any_host, path=f"{tmp_path}/file", sha256=right.upper()).run(ctx).size == 4
    with pytest.raises(TaskFailed, match=f"has the checksum {right}, not") as failure:
        Download(**any_host, path=f"{tmp_path}/file", sha256="0" * 64).run(ctx)
    assert failure.value.retryable is False


def test_a_file_that_changes_meanwhile_is_noticed(
    ctx: RecordedContext, any_host: Fields, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"data")
    before = checksums.checksums

    def changed(*arguments: Any) -> list[str]:
        (tmp_path / "file").write_bytes(b"DATA")
        return before(*arguments)

    monkeypatch.setattr(download, "checksums", changed)
    with pytest.raises(TaskFailed, match="was changed while it was read"):
        Download(**any_host, path=f"{tmp_path}/file").run(ctx)


def test_what_is_not_there_is_a_failure_for_good(ctx: RecordedContext, any_host: Fields, tmp_path: Path) -> None:
    with pytest.raises(TaskFailed, match=rf"has no `{tmp_path}/none`") as failure:
        Download(**any_host, path=f"{tmp_path}/none").run(ctx)
    assert failure.value.retryable is False


def test_a_file_that_shrinks_meanwhile_is_noticed(ctx: RecordedContext, any_host: Fields, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(100_000))
    with connection_to(ctx, endpoint_of(Download(**any_host, path="x"))) as connection:
        files = RemoteFiles(ctx, connection)
        with pytest.raises(TaskFailed, match="shrank while it was read"):
            list(files.read(Found(str(tmp_path / "file"), 3_000_000, 0)))


def test_too_many_files_are_refused_before_anything_is_stored(
    ctx: RecordedContext, any_host: Fields, tmp_path: Path
) -> None:
    for number in range(5):
        (tmp_path / f"f{number}").write_text("x")
    with pytest.raises(TaskFailed, match="more than 4 files") as failure:
        Download(**any_host, path=f"{tmp_path}/f*", max_files=4).run(ctx)
    assert failure.value.hint == "see `max_files`"


def test_cancelling_stops_in_the_middle(ctx: RecordedContext, any_host: Fields, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(12_000_000))
    ctx.progress = lambda *_: ctx.cancel()  # type: ignore[method-assign]
    with pytest.raises(TaskFailed, match="was cancelled"):
        Download(**any_host, path=f"{tmp_path}/big").run(ctx)
