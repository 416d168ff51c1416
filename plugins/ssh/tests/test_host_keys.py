"""A host must be who it should be: known hosts, pinned keys, authorities, and the way around them all."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.lab.sshd import Sshd
from tests.lab.sshfleet import SshFleet
from tests.lab.sshkeys import KeyPair

from rota import TaskFailed
from rota.testing import RecordedContext
from rota_ssh.command import Command
from rota_ssh.known_hosts import fingerprint

Fields = dict[str, Any]


def works(ctx: RecordedContext, fields: Fields) -> bool:
    return Command(**fields, command="echo in").run(ctx).stdout == "in\n"


def refusal(ctx: RecordedContext, fields: Fields) -> TaskFailed:
    with pytest.raises(TaskFailed) as failure:
        Command(**fields, command="echo in").run(ctx)
    assert failure.value.retryable is False
    return failure.value


def shown(public: str) -> str:
    import base64

    return fingerprint(base64.b64decode(public.split()[1]))


def test_the_text_of_known_hosts_does(ctx: RecordedContext, openssh: Fields, sshd: Sshd) -> None:
    assert works(ctx, openssh | {"known_hosts": sshd.known_hosts.read_text()})
    assert works(ctx, openssh | {"known_hosts": sshd.known_hosts.read_text().strip()})


def test_hashed_names_do(ctx: RecordedContext, openssh: Fields, sshd: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "known"
    known.write_text(sshd.known_hosts.read_text())
    subprocess.run(["ssh-keygen", "-H", "-f", str(known)], check=True, capture_output=True)
    assert "127.0.0.1" not in known.read_text()
    assert works(ctx, openssh | {"known_hosts": str(known)})


def test_an_unknown_host_is_refused_with_the_line_that_would_let_it_in(
    ctx: RecordedContext, openssh: Fields, sshd: Sshd
) -> None:
    failure = refusal(ctx, openssh | {"known_hosts": "other.host ssh-ed25519 AAAA"})
    assert failure.message == (
        f"the host key of `127.0.0.1:{sshd.port}` is not known: it is ssh-ed25519 {shown(sshd.host_key)}"
    )
    assert failure.hint.endswith(f": [127.0.0.1]:{sshd.port} {sshd.host_key}")
    assert works(ctx, openssh | {"known_hosts": failure.hint.rpartition("`known_hosts`: ")[2]})


def test_a_host_with_another_key_is_refused(ctx: RecordedContext, host: Fields, ssh_fleet: SshFleet) -> None:
    before = ssh_fleet.known_hosts.read_text()
    ssh_fleet.change_host_key("host-1")
    failure = refusal(ctx, host | {"known_hosts": before})
    assert "has another host key than it should" in failure.message
    assert "somebody may be in the middle" in failure.hint


def test_a_pinned_key_does_and_another_does_not(
    ctx: RecordedContext, openssh: Fields, sshd: Sshd, tmp_path: Path
) -> None:
    fields = {name: value for name, value in openssh.items() if name != "known_hosts"}
    right, wrong = shown(sshd.host_key), shown(KeyPair.generate(tmp_path / "other").public)
    assert works(ctx, fields | {"host_key_fingerprint": right})
    assert works(ctx, fields | {"host_key_fingerprint": [wrong, right + "="]})
    assert "not the one of `host_key_fingerprint`" in refusal(ctx, fields | {"host_key_fingerprint": wrong}).message


def test_a_known_hosts_file_that_is_not_there_is_a_failure(ctx: RecordedContext, openssh: Fields) -> None:
    assert "`/nowhere/known`: no such file" in refusal(ctx, openssh | {"known_hosts": "/nowhere/known"}).message


def test_a_file_of_the_flow_is_given_by_its_text(ctx: RecordedContext, openssh: Fields) -> None:
    failure = refusal(ctx, openssh | {"known_hosts": "known_hosts"})
    assert failure.hint == "a file of the flow is given by its text: `{{ file('known_hosts') }}`"


def test_without_a_file_those_of_the_user_count(
    ctx: RecordedContext, openssh: Fields, sshd: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    fields = {name: value for name, value in openssh.items() if name != "known_hosts"}
    assert "is not known" in refusal(ctx, fields).message
    ctx.close()
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "known_hosts").write_text(sshd.known_hosts.read_text())
    assert works(RecordedContext(tmp_path), fields)


def test_a_revoked_key_is_refused(ctx: RecordedContext, openssh: Fields, sshd: Sshd) -> None:
    text = sshd.known_hosts.read_text() + f"@revoked * {sshd.host_key}\n"
    assert "is marked as revoked" in refusal(ctx, openssh | {"known_hosts": text}).message


def test_anybody_is_accepted_by_the_name_of_what_that_is(ctx: RecordedContext, openssh: Fields) -> None:
    fields = openssh | {"known_hosts": "other.host ssh-ed25519 AAAA"}
    assert works(ctx, fields | {"host_key": "accept_any_insecure"})


def test_the_kind_of_key_that_is_known_is_asked_for(ctx: RecordedContext, tmp_path: Path) -> None:
    with Sshd.start() as server:
        folder = server.folder
        for kind in ("rsa", "ecdsa"):
            subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", folder / f"{kind}_key"], check=True)
        config = folder / "sshd_config"
        config.write_text(config.read_text() + f"HostKey {folder}/rsa_key\nHostKey {folder}/ecdsa_key\n")
        server.restart()
        fields = {"host": "127.0.0.1", "port": server.port, "user": server.user, "private_key_file": server.key.private}
        for kind in ("rsa", "ecdsa"):
            known = f"[127.0.0.1]:{server.port} {(folder / f'{kind}_key.pub').read_text()}"
            assert works(ctx, fields | {"known_hosts": known})


def test_a_host_with_a_certificate_is_known_by_its_authority(ctx: RecordedContext, tmp_path: Path) -> None:
    authority, other = KeyPair.generate(tmp_path / "ca"), KeyPair.generate(tmp_path / "other")

    with Sshd.start() as server:
        folder = server.folder

        def sign(*options: str) -> None:
            key = folder / "host_key.pub"
            command = ["ssh-keygen", "-q", "-s", str(authority.private), "-I", "host", "-h", *options, str(key)]
            subprocess.run(command, check=True, capture_output=True)
            server.restart()

        config = folder / "sshd_config"
        config.write_text(config.read_text() + f"HostCertificate {folder}/host_key-cert.pub\n")
        fields = {"host": "127.0.0.1", "port": server.port, "user": server.user, "private_key_file": server.key.private}
        trusted = fields | {"known_hosts": f"@cert-authority [127.0.0.*]:* {authority.public}"}
        sign("-n", "127.0.0.1,db")
        assert works(ctx, trusted)
        assert works(ctx, fields | {"known_hosts": str(server.known_hosts)})
        ctx.close()
        fresh = RecordedContext(tmp_path)
        foreign = f"@cert-authority * {other.public}"
        assert "is not known" in refusal(fresh, fields | {"known_hosts": foreign}).message
        sign("-n", "another.host")
        assert "is not known" in refusal(fresh, trusted).message
        sign("-n", "127.0.0.1", "-V", "20200101:20200102")
        assert "is not known" in refusal(fresh, trusted).message
