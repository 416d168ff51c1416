"""Logging in: keys, passphrases, certificates, passwords, the agent, OpenSSH's configuration, and refusals."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.lab.sshd import Sshd
from tests.lab.sshfault import Fault
from tests.lab.sshfleet import SshFleet
from tests.lab.sshkeys import KeyPair

from rota import TaskFailed
from rota.testing import RecordedContext
from rota_ssh.command import Command

Fields = dict[str, Any]


def without(fields: Fields, *names: str) -> Fields:
    return {name: value for name, value in fields.items() if name not in names}


def works(ctx: RecordedContext, fields: Fields) -> bool:
    return Command(**fields, command="echo in").run(ctx).stdout == "in\n"


def refused(ctx: RecordedContext, fields: Fields) -> str:
    with pytest.raises(TaskFailed) as failure:
        Command(**fields, command="echo in").run(ctx)
    assert failure.value.retryable is False
    return failure.value.message


def keygen(*arguments: str | Path) -> None:
    subprocess.run(["ssh-keygen", "-q", *map(str, arguments)], check=True, capture_output=True)


def test_a_key_may_be_a_file(ctx: RecordedContext, openssh: Fields, sshd: Sshd) -> None:
    assert works(ctx, without(openssh, "private_key") | {"private_key_file": str(sshd.key.private)})


def test_a_key_may_have_lost_its_last_line_end_and_have_those_of_windows(ctx: RecordedContext, openssh: Fields) -> None:
    text = openssh["private_key"]
    assert works(ctx, openssh | {"private_key": text.strip()})
    assert works(ctx, openssh | {"private_key": text.replace("\n", "\r\n")})


@pytest.mark.parametrize(
    "kind", [["ed25519"], ["rsa", "-b", "2048"], ["ecdsa"], ["ed25519", "-N", "sesame"], ["rsa", "-m", "PEM"]], ids=str
)
def test_keys_of_all_kinds_let_in(
    ctx: RecordedContext, openssh: Fields, sshd: Sshd, tmp_path: Path, kind: list[str]
) -> None:
    phrase = [] if "-N" in kind else ["-N", ""]
    keygen("-f", tmp_path / "key", "-t", *kind, *phrase)
    sshd.authorize((tmp_path / "key.pub").read_text())
    fields = openssh | {"private_key": (tmp_path / "key").read_text()}
    assert works(ctx, fields | ({"passphrase": "sesame"} if "-N" in kind else {}))


def test_a_passphrase_that_is_not_needed_does_no_harm(ctx: RecordedContext, openssh: Fields) -> None:
    assert works(ctx, openssh | {"passphrase": "whatever"})


def test_a_wrong_passphrase_and_a_missing_one_are_told_apart(
    ctx: RecordedContext, openssh: Fields, tmp_path: Path
) -> None:
    fields = openssh | {"private_key": KeyPair.generate(tmp_path / "key", "sesame").private.read_text()}
    assert refused(ctx, fields) == "`private_key` is encrypted"
    assert refused(ctx, fields | {"passphrase": "wrong"}) == "the `passphrase` of `private_key` is wrong"


@pytest.mark.parametrize(
    "text", ["nonsense", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----"]
)
def test_what_is_no_key_is_refused_and_not_shown(ctx: RecordedContext, openssh: Fields, text: str) -> None:
    message = refused(ctx, openssh | {"private_key": text})
    assert message.startswith("`private_key` is no private key that can be read")
    assert text not in message


def test_a_key_file_that_is_not_there_is_named(ctx: RecordedContext, openssh: Fields) -> None:
    fields = without(openssh, "private_key") | {"private_key_file": "/nowhere/key"}
    assert refused(ctx, fields) == "`/nowhere/key` cannot be read: no such file or directory"


def test_a_key_that_the_host_does_not_know_is_refused_for_good(
    ctx: RecordedContext, openssh: Fields, sshd: Sshd, tmp_path: Path
) -> None:
    message = refused(ctx, openssh | {"private_key": KeyPair.generate(tmp_path / "key").private.read_text()})
    where = f"`127.0.0.1:{sshd.port}` does not let `{sshd.user}` in"
    assert message == f"{where}: it did not take the private key"
    message = refused(ctx, without(openssh, "private_key") | {"password": "not-used"})
    assert message == f"{where}: it did not take the password; it asks for publickey"


def test_a_password_lets_in_and_a_wrong_one_does_not(ctx: RecordedContext, host: Fields, ssh_fleet: SshFleet) -> None:
    fields = without(host, "private_key")
    assert works(ctx, fields | {"password": ssh_fleet.password})
    assert "it did not take the password" in refused(ctx, fields | {"password": "wrong-password"})


def test_a_password_is_tried_after_a_key_that_is_not_taken(
    ctx: RecordedContext, host: Fields, ssh_fleet: SshFleet, tmp_path: Path
) -> None:
    key = KeyPair.generate(tmp_path / "key").private.read_text()
    assert works(ctx, host | {"private_key": key, "password": ssh_fleet.password})


def test_a_host_that_takes_nobody_is_a_failure_for_good(
    ctx: RecordedContext, host: Fields, ssh_fleet: SshFleet
) -> None:
    ssh_fleet.set_fault("host-1", Fault.WRONG_KEY)
    message = refused(ctx, host | {"password": ssh_fleet.password})
    assert "it did not take the private key or the password" in message


def test_nothing_to_log_in_with_is_said_before_anything_is_tried(ctx: RecordedContext, host: Fields) -> None:
    assert refused(ctx, without(host, "private_key")) == "there is nothing to log in to `127.0.0.1` with"


@pytest.mark.parametrize("server", ["openssh", "host"])
def test_a_certificate_lets_in_whose_authority_the_host_trusts(
    ctx: RecordedContext, request: pytest.FixtureRequest, server: str, tmp_path: Path
) -> None:
    fields = request.getfixturevalue(server)
    where = request.getfixturevalue("sshd" if server == "openssh" else "ssh_fleet")
    key = KeyPair.generate(tmp_path / "key")
    authority = KeyPair.generate(tmp_path / "ca")
    where.trust_user_ca(authority.public)
    keygen("-s", authority.private, "-I", "id", "-n", where.user, "-V", "+1h", f"{key.private}.pub")
    signed = fields | {"private_key": key.private.read_text()}
    assert works(ctx, signed | {"certificate": (tmp_path / "key-cert.pub").read_text()})
    assert works(ctx, signed | {"certificate_file": str(tmp_path / "key-cert.pub")})


def test_a_certificate_that_will_not_do_says_why(
    ctx: RecordedContext, openssh: Fields, sshd: Sshd, tmp_path: Path
) -> None:
    key, authority = KeyPair.generate(tmp_path / "key"), KeyPair.generate(tmp_path / "ca")
    sshd.trust_user_ca(authority.public)
    fields = openssh | {"private_key": key.private.read_text()}

    def signed(*options: str) -> Fields:
        keygen("-s", authority.private, "-I", "id", *options, f"{key.private}.pub")
        return fields | {"certificate": (tmp_path / "key-cert.pub").read_text()}

    assert "the certificate has expired" in refused(ctx, signed("-n", sshd.user, "-V", "20200101:20200102"))
    assert "the certificate is not valid yet" in refused(ctx, signed("-n", sshd.user, "-V", "20900101:20900102"))
    assert "the certificate is for `nobody`" in refused(ctx, signed("-n", "nobody"))
    plain = fields | {"certificate": key.public}
    assert refused(ctx, plain) == "`certificate` is no certificate but a plain public key"
    assert refused(ctx, fields | {"certificate": "nonsense"}) == "`certificate` cannot be read: ValueError"
    other = signed("-n", sshd.user) | {"private_key": KeyPair.generate(tmp_path / "b").private.read_text()}
    assert refused(ctx, other) == "`certificate` belongs to another private key"


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An SSH agent without keys."""
    socket = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL) as process:
        while not socket.exists():
            assert process.poll() is None
        monkeypatch.setenv("SSH_AUTH_SOCK", str(socket))
        yield
        process.terminate()


@pytest.mark.usefixtures("agent")
def test_the_agent_lets_in_when_it_has_a_key(ctx: RecordedContext, openssh: Fields, sshd: Sshd) -> None:
    fields = without(openssh, "private_key") | {"agent": True}
    assert refused(ctx, fields) == "the SSH agent has no keys, or there is none"
    subprocess.run(["ssh-add", "-q", str(sshd.key.private)], check=True, env=os.environ)
    assert works(ctx, fields)


def test_the_configuration_of_openssh_is_read_when_asked(ctx: RecordedContext, sshd: Sshd, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        f"Host db\n HostName 127.0.0.1\n Port {sshd.port}\n User {sshd.user}\n"
        f" IdentityFile {sshd.key.private}\n UserKnownHostsFile {sshd.known_hosts}\n"
        f"Host far\n HostName 127.0.0.1\n Port {sshd.port}\n User {sshd.user}\n ProxyJump db\n"
        f" IdentityFile {sshd.key.private}\n UserKnownHostsFile {sshd.known_hosts}\n"
        "Host odd\n ProxyCommand nc %h %p\n"
    )
    assert works(ctx, {"host": "db", "ssh_config": str(config)})
    assert works(ctx, {"host": "far", "ssh_config": str(config)})
    assert "has a ProxyCommand for `odd`" in refused(ctx, {"host": "odd", "ssh_config": str(config)})
    assert "there is no SSH configuration" in refused(ctx, {"host": "db", "ssh_config": str(tmp_path / "none")})


def test_no_secret_is_in_what_a_task_shows(host: Fields) -> None:
    task = Command(**host, password="password-1", passphrase="phrase-1", sudo=True, sudo_password="sudo-1", command="x")
    for secret in ("password-1", "phrase-1", "sudo-1", host["private_key"].splitlines()[1]):
        assert secret not in repr(task)


def test_what_contradicts_itself_is_no_task(host: Fields) -> None:
    for wrong in (
        {"private_key_file": "x"},
        {"host_key_fingerprint": "SHA256:short"},
        {"host_key": "accept"},
        {"sudo_user": "x"},
        {"env": {"A B": "1"}},
        {"port": 0},
        {"jump": "a b"},
    ):
        with pytest.raises(ValidationError):
            Command(**host | wrong, command="true")
