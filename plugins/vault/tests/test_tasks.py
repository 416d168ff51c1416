"""Tests of the task types against a real Vault."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import psycopg
import pytest
from plugins.vault.tests.conftest import Bank
from pydantic import Secret, SecretStr
from sqlalchemy import make_url
from tests.lab.postgres import Postgres
from tests.lab.sshkeys import KeyPair

from rota import TaskFailed
from rota.testing import RecordedContext, RunFlow
from rota_vault.leases import RevokeLease
from rota_vault.passwords import GeneratePassword
from rota_vault.secret_paths import Delete, List, Patch, Read, Write
from rota_vault.signing import IssueCertificate, SignSshKey
from rota_vault.transit import TransitDecrypt, TransitEncrypt, TransitRewrap, TransitRotate
from rota_vault.wrapping import Unwrap, Wrap


def plain(data: dict[str, Any]) -> dict[str, Any]:
    return {name: value.get_secret_value() for name, value in data.items()}


@pytest.mark.parametrize("place", [{}, {"engine": "kv1", "mount": "kv1"}])
def test_a_secret_is_written_read_patched_listed_and_deleted(
    ctx: RecordedContext, bank: Bank, place: dict[str, Any]
) -> None:
    where = {**bank.login, **place, "path": "tasks/one"}
    Write(**where, data={"user": "u", "password": SecretStr("first"), "port": 27017}).run(ctx)
    found = Read(**where).run(ctx)
    assert plain(found.data) == {"user": "u", "password": "first", "port": 27017}
    assert isinstance(found.data["port"], Secret)
    Patch(**where, data={"password": "second", "user": None}).run(ctx)
    assert plain(Read(**where).run(ctx).data) == {"password": "second", "port": 27017}
    assert List(**{**where, "path": "tasks"}).run(ctx).keys == ["one"]
    Delete(**where).run(ctx)
    with pytest.raises(TaskFailed, match=r"has nothing at `.*/tasks/one`") as failure:
        Read(**where).run(ctx)
    assert failure.value.retryable is False
    assert ("version 2 was deleted at 20" in failure.value.message) is (not place)
    assert List(**{**where, "path": "nothing"}).run(ctx).keys == []


def test_an_engine_that_is_not_there_is_no_empty_list(ctx: RecordedContext, bank: Bank) -> None:
    with pytest.raises(TaskFailed, match=r"`nowhere/metadata/tasks` \(404\): no handler for route"):
        List(**bank.root, mount="nowhere", path="tasks").run(ctx)


@pytest.mark.parametrize("path", ["secret/data/app/x", "secret/app/x", "data/app/x"])
def test_a_path_with_what_the_engine_adds_itself_is_told(ctx: RecordedContext, bank: Bank, path: str) -> None:
    for login in (bank.root, bank.login):  # to one there is nothing, the other may not look there
        with pytest.raises(TaskFailed, match=f"`secret/data/{path}`") as failure:
            Read(**login, path=path).run(ctx)
        assert failure.value.hint == "`path` is what comes after the mount and, in KV 2, after `data/`"


def test_a_version_that_was_destroyed_is_told(ctx: RecordedContext, bank: Bank) -> None:
    where = {**bank.login, "path": "tasks/destroyed"}
    Write(**where, data={"a": 1}).run(ctx)
    Delete(**where, mode="destroy", versions=[1]).run(ctx)
    with pytest.raises(TaskFailed, match="has nothing at `secret/data/tasks/destroyed`: version 1 was destroyed"):
        Read(**where).run(ctx)


def test_a_secret_may_be_empty_or_large_and_one_that_is_too_large_is_told(ctx: RecordedContext, bank: Bank) -> None:
    where = {**bank.root, "path": "tasks/sizes"}
    Write(**where, data={}).run(ctx)
    assert Read(**where).run(ctx).data == {}
    large = "grüezi" * 100_000
    Write(**where, data={"text": large, "nothing": ""}).run(ctx)
    assert plain(Read(**where).run(ctx).data) == {"text": large, "nothing": ""}
    with pytest.raises(TaskFailed, match="too large") as failure:
        Write(**where, data={"text": "x" * (40 << 20)}).run(ctx)
    assert failure.value.retryable is False


def test_check_and_set_refuses_what_others_changed(ctx: RecordedContext, bank: Bank) -> None:
    where = {**bank.login, "path": "tasks/cas"}
    assert Write(**where, data={"a": 1}, cas=0).run(ctx).version == 1
    with pytest.raises(TaskFailed, match="check-and-set") as failure:
        Write(**where, data={"a": 2}, cas=0).run(ctx)
    assert failure.value.retryable is False
    with pytest.raises(TaskFailed, match="check-and-set"):
        Patch(**where, data={"a": 2}, cas=7).run(ctx)
    assert Patch(**where, data={"a": 2}, cas=1).run(ctx).version == 2
    assert plain(Read(**where, version=1).run(ctx).data) == {"a": 1}
    Delete(**where, mode="destroy", versions=[1]).run(ctx)
    Delete(**where, mode="all").run(ctx)
    assert Write(**where, data={"a": 3}, cas=0).run(ctx).version == 1


def test_a_password_is_made_by_the_policy_or_here(ctx: RecordedContext, bank: Bank) -> None:
    assert len(GeneratePassword(**bank.login, policy="bank").run(ctx).password.get_secret_value()) == 24
    made = GeneratePassword(url="http://127.0.0.1:1", token=SecretStr("x"), length=8).run(ctx)
    password = made.password.get_secret_value()
    for kind in (string.ascii_lowercase, string.ascii_uppercase, string.digits, "-_.~"):
        assert set(password) & set(kind)
    assert password not in repr(made)
    with pytest.raises(TaskFailed, match="Vault at"):
        GeneratePassword(**bank.root, policy="nothing").run(ctx)


def test_a_text_is_encrypted_rewrapped_and_decrypted(ctx: RecordedContext, bank: Bank) -> None:
    key = {**bank.root, "key_name": "bank"}
    sealed = TransitEncrypt(**key, plaintext=SecretStr("grüezi")).run(ctx)
    version = TransitRotate(**key).run(ctx).latest_version
    assert version == sealed.key_version + 1
    renewed = TransitRewrap(**key, ciphertext=sealed.ciphertext).run(ctx)
    assert renewed.key_version == version
    assert TransitDecrypt(**key, ciphertext=renewed.ciphertext).run(ctx).plaintext.get_secret_value() == "grüezi"
    with pytest.raises(TaskFailed, match="400") as failure:
        TransitDecrypt(**key, ciphertext="vault:v1:AAAA").run(ctx)
    assert failure.value.retryable is False


def test_a_key_is_signed_and_a_certificate_issued(ctx: RecordedContext, bank: Bank, tmp_path: Path) -> None:
    key = KeyPair.generate(tmp_path / "id")
    signed = SignSshKey(**bank.login, role="operator", public_key=key.public, principals=["backup"], ttl=600).run(ctx)
    assert "-cert-v01@openssh.com " in signed.signed_key
    issued = IssueCertificate(**bank.login, role="server", common_name="db.example.org", ip_addresses=["10.0.0.1"])
    made = issued.run(ctx)
    assert made.certificate.startswith("-----BEGIN CERTIFICATE-----")
    assert "PRIVATE KEY" in made.private_key.get_secret_value()
    assert made.expires is not None


def test_a_login_that_was_read_ends_with_its_lease(ctx: RecordedContext, bank: Bank, postgres: Postgres) -> None:
    read = Read(**bank.login, engine="plain", path="database/creds/reader").run(ctx)
    fields = plain(read.data)
    url = make_url(postgres.url).set(drivername="postgresql", username=fields["username"], password=fields["password"])
    conninfo = url.render_as_string(hide_password=False)
    psycopg.connect(conninfo).close()
    ending = RevokeLease(**bank.login, lease_id=read.lease_id)
    ending.run(ctx)
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        psycopg.connect(conninfo)
    ending.run(ctx)


def test_what_is_wrapped_is_unwrapped_once(ctx: RecordedContext, bank: Bank) -> None:
    wrapped = Wrap(**bank.login, data={"password": SecretStr("hidden")}).run(ctx)
    assert wrapped.ttl_seconds == 300
    taking = Unwrap(**bank.login, wrapping_token=wrapped.token)
    assert plain(taking.run(ctx).data) == {"password": "hidden"}
    with pytest.raises(TaskFailed, match="400") as failure:
        taking.run(ctx)
    assert failure.value.retryable is False


def test_a_flow_never_shows_what_it_read(run_flow: RunFlow, bank: Bank) -> None:
    run = run_flow(
        f"""
        id: vault
        namespace: test
        defaults:
          vault.*: {{url: "{bank.vault.url}", token: "{{{{ secret('vault#token') }}}}"}}
        tasks:
          - {{id: write, type: vault.write, path: flow/one, data: {{password: very-hidden}}}}
          - {{id: read, type: vault.read, path: flow/one}}
          - {{id: again, type: vault.write, path: flow/two, data: {{password: "{{{{ outputs.read.data.password }}}}"}}}}
          - {{id: show, type: shell, command: echo "$WORD", env: {{WORD: "{{{{ outputs.read.data.password }}}}"}}}}
        """,
        secrets={"vault#token": bank.vault.token},
    )
    assert run.state == "success", run.log
    assert "very-hidden" not in run.log
    found = bank.vault.request("GET", "secret/data/flow/two")["data"]["data"]
    assert found == {"password": "very-hidden"}
