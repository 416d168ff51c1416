"""Tests of `ssh.upload` against a simulated host and a real OpenSSH server."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.lab.sshd import Sshd
from tests.lab.sshfault import Fault
from tests.lab.sshfleet import SshFleet

from rota import TaskFailed
from rota.testing import RecordedContext
from rota_ssh import upload
from rota_ssh.upload import Upload

Fields = dict[str, Any]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("size", [0, 1, 300_000, 5_000_000])
def test_a_file_arrives_whole(ctx: RecordedContext, any_host: Fields, tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    (ctx.workdir / "file").write_bytes(data)
    done = Upload(**any_host, source="file", path=f"{tmp_path}/there").run(ctx)
    assert (tmp_path / "there").read_bytes() == data
    assert (done.path, done.files, done.size) == (f"{tmp_path}/there", 1, size)
    assert done.sha256 == hashlib.sha256(data).hexdigest()
    assert [path.name for path in tmp_path.glob("*") if "there" in path.name] == ["there"]


def test_an_artifact_and_text_can_be_sent(ctx: RecordedContext, any_host: Fields, tmp_path: Path) -> None:
    (ctx.workdir / "x").write_bytes(b"\0\xff")
    Upload(**any_host, source=ctx.artifacts.save(ctx.workdir / "x", "named"), path=f"{tmp_path}/in/").run(ctx)
    assert (tmp_path / "in" / "named").read_bytes() == b"\0\xff"
    task = Upload(**any_host, content="é\n", path=f"{tmp_path}/text", mode="0640")
    task.run(ctx)
    assert (tmp_path / "text").read_text() == "é\n"
    assert mode(tmp_path / "text") == 0o640
    assert "é" not in repr(task)


def test_a_mode_has_three_digits_or_four_and_programs_stay_so(
    ctx: RecordedContext, any_host: Fields, tmp_path: Path
) -> None:
    (ctx.workdir / "program").write_text("#!/bin/sh\n")
    (ctx.workdir / "program").chmod(0o500)
    Upload(**any_host, source="program", path=f"{tmp_path}/program").run(ctx)
    assert mode(tmp_path / "program") == 0o755
    Upload(**any_host, source="program", path=f"{tmp_path}/program", mode="600").run(ctx)
    assert mode(tmp_path / "program") == 0o600


@pytest.mark.parametrize("wrong", ["9", "649", "0o640", "u=rw", "00640", 640, 0o640])
def test_a_mode_is_octal_digits_in_quotes(wrong: Any, host: Fields) -> None:
    with pytest.raises(ValidationError, match=r"octal digits|a valid string"):
        Upload(**host, path="x", content="a", mode=wrong)


def test_what_is_replaced_gives_its_mode(ctx: RecordedContext, any_host: Fields, tmp_path: Path) -> None:
    (tmp_path / "conf").write_text("old")
    (tmp_path / "conf").chmod(0o604)
    Upload(**any_host, content="new", path=f"{tmp_path}/conf").run(ctx)
    assert (tmp_path / "conf").read_text() == "new"
    assert mode(tmp_path / "conf") == 0o604


def test_a_folder_is_sent_with_what_is_in_it(ctx: RecordedContext, any_host: Fields, tmp_path: Path) -> None:
    for name in ("site/a", "site/sub/b c", "site/sub/deep/ü"):
        (ctx.workdir / name).parent.mkdir(parents=True, exist_ok=True)
        (ctx.workdir / name).write_text(name)
    (ctx.workdir / "site" / "link").symlink_to("/etc/passwd")
    done = Upload(**any_host, source="site", path=f"{tmp_path}/www").run(ctx)
    found = sorted(str(path.relative_to(tmp_path)) for path in (tmp_path / "www").rglob("*") if path.is_file())
    assert found == ["www/a", "www/sub/b c", "www/sub/deep/ü"]
    assert (tmp_path / "www/sub/deep/ü").read_text() == "site/sub/deep/ü"
    assert (done.files, done.sha256) == (3, None)


def test_a_relative_path_is_from_where_the_login_leads(ctx: RecordedContext, host: Fields, ssh_fleet: SshFleet) -> None:
    done = Upload(**host, content="x", path="new/folder/file").run(ctx)
    home = ssh_fleet.host("host-1").home
    assert (home / "new/folder/file").read_text() == "x"
    assert done.path == str(home / "new/folder/file")
    assert Upload(**host, content="x", path="~/file").run(ctx).path == str(home / "file")
    assert Upload(**host, content="x", path="./~name").run(ctx).path == str(home / "~name")
    assert not (home / "~").exists()
    with pytest.raises(TaskFailed, match="`~name` is not known here"):
        Upload(**host, content="x", path="~name/file").run(ctx)


def test_a_missing_folder_is_a_failure_when_none_is_to_be_made(
    ctx: RecordedContext, any_host: Fields, tmp_path: Path
) -> None:
    with pytest.raises(TaskFailed, match="or no folder for it") as failure:
        Upload(**any_host, content="x", path=f"{tmp_path}/no/file", make_folders=False).run(ctx)
    assert failure.value.retryable is False


def test_a_folder_is_not_replaced_by_a_file(ctx: RecordedContext, any_host: Fields, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(TaskFailed, match="is a folder"):
        Upload(**any_host, content="x", path=f"{tmp_path}/there").run(ctx)


def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    ctx: RecordedContext, host: Fields, ssh_fleet: SshFleet, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("old")
    (ctx.workdir / "big").write_bytes(bytes(3_000_000))
    ssh_fleet.set_fault("host-1", Fault.DISK_FULL)
    with pytest.raises(TaskFailed, match=r"(?i)no space left on device"):
        Upload(**host, source="big", path=f"{tmp_path}/file").run(ctx)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["file"]
    assert (tmp_path / "file").read_text() == "old"


def test_what_the_host_does_not_permit_is_a_failure_for_good(ctx: RecordedContext, any_host: Fields) -> None:
    with pytest.raises(TaskFailed) as failure:
        Upload(**any_host, content="x", path="/proc/rota-test/file").run(ctx)
    assert "/proc/rota-test" in failure.value.message


def test_a_wrong_checksum_is_noticed_before_the_file_has_its_name(
    ctx: RecordedContext, any_host: Fields, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "checksums", lambda *_: ["0" * 64])
    with pytest.raises(TaskFailed, match="another checksum than what was sent"):
        Upload(**any_host, content="x", path=f"{tmp_path}/file").run(ctx)
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []


def test_a_host_that_runs_no_commands_takes_files_all_the_same(ctx: RecordedContext, tmp_path: Path) -> None:
    with Sshd.start() as server:
        config = server.folder / "sshd_config"
        config.write_text(config.read_text() + "ForceCommand internal-sftp\n")
        server.restart()
        fields = {"host": "127.0.0.1", "port": server.port, "user": server.user, "private_key_file": server.key.private}
        known = str(server.known_hosts)
        done = Upload(**fields, known_hosts=known, content="x", path=f"{tmp_path}/file").run(ctx)
        assert done.sha256 == hashlib.sha256(b"x").hexdigest()


def test_cancelling_leaves_nothing(ctx: RecordedContext, any_host: Fields, tmp_path: Path) -> None:
    (ctx.workdir / "big").write_bytes(bytes(20_000_000))
    ctx.progress = lambda done, *_: ctx.cancel() if done > 1_000_000 else None  # type: ignore[method-assign]
    with pytest.raises(TaskFailed, match="was cancelled"):
        Upload(**any_host, source="big", path=f"{tmp_path}/file").run(ctx)
    assert [path for path in tmp_path.iterdir() if path.is_file()] == []


def test_there_is_one_source_and_it_is_in_the_work_folder(ctx: RecordedContext, host: Fields) -> None:
    for wrong in ({}, {"source": "a", "content": "b"}):
        with pytest.raises(ValidationError):
            Upload(**host, path="x", **wrong)
    with pytest.raises(TaskFailed, match="there is no `none` in the work folder"):
        Upload(**host, source="none", path="x").run(ctx)
    with pytest.raises(TaskFailed, match="leads out"):
        Upload(**host, source="../x", path="x").run(ctx)
