"""Every type against the same failures: logins, host keys, hosts that are away, silent, dying or cancelled."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.lab.failing import SECRET, failing, failing_by_cancel
from tests.lab.silence import Silence
from tests.lab.sshd import Sshd
from tests.lab.sshfault import Fault
from tests.lab.sshfleet import SshFleet
from tests.lab.sshkeys import KeyPair

from rota.testing import RecordedContext
from rota_ssh.command import Command
from rota_ssh.download import Download
from rota_ssh.file_appeared import FileAppeared
from rota_ssh.script import Script
from rota_ssh.upload import Upload

Fields = dict[str, Any]
Act = Callable[[RecordedContext, Fields, str], object]

ACTS: dict[str, Act] = {
    "command": lambda ctx, host, folder: Command(**host, command=f"ls {folder}").run(ctx),
    "sudo": lambda ctx, host, folder: Command(**host, command=f"ls {folder}", sudo=True).run(ctx),
    "script": lambda ctx, host, folder: Script(**host, code=f"ls {folder}").run(ctx),
    "upload": lambda ctx, host, folder: Upload(**host, source="sent", path=f"{folder}/sent").run(ctx),
    "download": lambda ctx, host, folder: Download(**host, path=f"{folder}/file").run(ctx),
    "poll": lambda ctx, host, folder: list(FileAppeared(**host, path=f"{folder}/*").poll(ctx)),
}
every_type = pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)


@pytest.fixture
def here(ctx: RecordedContext) -> RecordedContext:
    """A context whose work folder has what is to be sent."""
    (ctx.workdir / "sent").write_text("x")
    return ctx


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """A folder of the hosts, which are this machine, with a file in it."""
    path = tmp_path / "there"
    path.mkdir()
    (path / "file").write_text("x")
    return str(path)


@every_type
def test_a_wrong_password(here: RecordedContext, host: Fields, folder: str, act: Act) -> None:
    error = failing(here, act, {**host, "private_key": None, "password": SECRET}, folder)
    assert "does not let `rota` in: it did not take the password" in error.message
    assert error.retryable is False


@every_type
def test_a_key_that_is_not_known(
    here: RecordedContext, any_host: Fields, folder: str, act: Act, tmp_path: Path
) -> None:
    stranger = KeyPair.generate(tmp_path / "stranger").private.read_text()
    error = failing(here, act, {**any_host, "private_key": stranger}, folder)
    assert "in: it did not take the private key" in error.message
    assert error.retryable is False
    assert "BEGIN" not in str(error)


@every_type
def test_a_host_that_is_not_known(here: RecordedContext, any_host: Fields, folder: str, act: Act) -> None:
    error = failing(here, act, {**any_host, "known_hosts": "other.host ssh-ed25519 AAAA"}, folder)
    assert "is not known" in error.message
    assert error.retryable is False


@every_type
def test_a_host_with_another_key(here: RecordedContext, any_host: Fields, folder: str, act: Act) -> None:
    pinned = {"known_hosts": None, "host_key_fingerprint": "SHA256:" + "A" * 43}
    error = failing(here, act, {**any_host, **pinned}, folder)
    assert error.retryable is False
    assert "SHA256:" in f"{error.message} {error.hint}"


@every_type
def test_a_host_that_is_down(here: RecordedContext, host: Fields, ssh_fleet: SshFleet, folder: str, act: Act) -> None:
    ssh_fleet.set_fault("host-1", Fault.DOWN)
    error = failing(here, act, host, folder)
    assert "cannot be reached: connection refused" in error.message
    assert error.retryable is None


@every_type
def test_silence(here: RecordedContext, host: Fields, silence: Silence, folder: str, act: Act) -> None:
    error = failing(here, act, {**host, "port": silence.port, "connect_timeout": "300ms"}, folder)
    assert "did not answer within 0.3 s" in error.message
    assert error.retryable is None


@every_type
def test_cancel_in_the_silence(here: RecordedContext, host: Fields, silence: Silence, folder: str, act: Act) -> None:
    error = failing_by_cancel(here, act, {**host, "port": silence.port, "connect_timeout": "1h"}, folder)
    assert "cancelled" in error.message


@every_type
def test_a_host_that_freezes_once_it_is_connected(here: RecordedContext, folder: str, act: Act) -> None:
    """The connection is there and kept, and then nothing comes any more: keepalive tells, whatever is done."""
    with Sshd.start() as server:
        known = {"host": "127.0.0.1", "port": server.port, "user": server.user, "known_hosts": str(server.known_hosts)}
        fields = {**known, "private_key": server.key.private.read_text(), "keepalive": "1s"}
        done = Command(**fields, command="echo $PPID").run(here)
        os.kill(int(str(done.stdout)), signal.SIGSTOP)
        error = failing(here, act, fields, folder)
    assert "gives no sign of life" in error.message, error.message
    assert error.retryable is None
