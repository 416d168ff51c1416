"""Tests of logins, and of what goes wrong on the way to Vault."""

from __future__ import annotations

import json
import signal
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from plugins.vault.tests.conftest import Bank
from plugins.vault.tests.kubernetes import pod_token, token_reviews
from plugins.vault.tests.signed_tokens import signed_token
from pydantic import SecretStr, ValidationError
from tests.lab import vaultseed
from tests.lab.certificates import Certificate, CertificateAuthority, ServerTls
from tests.lab.inventory_api import InventoryApi
from tests.lab.ports import free_ports
from tests.lab.process import ServerProcess
from tests.lab.silence import Silence
from tests.lab.vault import Vault, _binary

from rota import TaskFailed
from rota.testing import RecordedContext
from rota_vault.backends import Kv
from rota_vault.secret_paths import List, Read


@dataclass(frozen=True)
class TlsVault:
    """Where a Vault is that speaks TLS, whom to trust, and a client that it knows."""

    url: str
    ca: Path
    client: Certificate


SHORT = timedelta(milliseconds=50)
READ: dict[str, Any] = {"engine": "plain", "path": "auth/token/lookup-self"}


def test_a_signed_token_logs_in(ctx: RecordedContext, bank: Bank, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    bank.vault.request("POST", "sys/auth/jwt", {"type": "jwt"})
    bank.vault.request("POST", "auth/jwt/config", {"jwt_validation_pubkeys": [public]})
    role = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"], "token_policies": ["reader"]}
    bank.vault.request("POST", "auth/jwt/role/ci", role)
    file = tmp_path / "token"
    now = int(time.time())
    file.write_text(signed_token(key, {"sub": "ci", "aud": "vault", "iat": now, "exp": now + 600}))
    found = Read(url=bank.vault.url, jwt={"role": "ci", "jwt_file": file}, **READ).run(ctx)
    assert found.data["display_name"].get_secret_value() == "jwt-ci"
    other = signed_token(ec.generate_private_key(ec.SECP256R1()), {"sub": "ci", "aud": "vault"})
    with pytest.raises(TaskFailed, match="400") as failure:
        Read(url=bank.vault.url, jwt={"role": "ci", "jwt": SecretStr(other)}, **READ).run(ctx)
    assert failure.value.retryable is False


@pytest.fixture
def tls_vault(tmp_path: Path, certificate_authority: CertificateAuthority) -> Iterator[TlsVault]:
    """A Vault that speaks TLS and knows a client by its certificate."""
    ca, folder = certificate_authority, tmp_path / "vault"
    folder.mkdir()
    server, client = ca.issue("server"), ca.issue("client")
    port = free_ports(1)[0]
    listener = {"address": f"127.0.0.1:{port}", "tls_cert_file": str(server.cert), "tls_key_file": str(server.key)}
    config = folder / "config.json"
    config.write_text(json.dumps({"listener": {"tcp": listener}, "storage": {"inmem": {}}, "disable_mlock": True}))
    process = ServerProcess.start(
        [_binary(), "server", f"-config={config}"],
        folder,
        env={"HOME": str(folder)},
        stop_signal=signal.SIGKILL,
        remove=folder,
    )
    url, trust = f"https://127.0.0.1:{port}", ssl.create_default_context(cafile=ca.cert)
    with httpx.Client(base_url=f"{url}/v1/", verify=trust, trust_env=False) as http:
        try:
            process.wait_until(lambda: _answers(http))
            made = http.put("sys/init", json={"secret_shares": 1, "secret_threshold": 1}).json()
            http.put("sys/unseal", json={"key": made["keys"][0]}).raise_for_status()
            http.headers["X-Vault-Token"] = made["root_token"]
            process.wait_until(lambda: http.get("sys/auth").is_success)
            http.post("sys/auth/cert", json={"type": "cert"}).raise_for_status()
            role = {"certificate": ca.cert.read_text(), "token_policies": ["default"]}
            http.post("auth/cert/certs/rota", json=role).raise_for_status()
            yield TlsVault(url, ca.cert, client)
        finally:
            process.stop()


def test_a_certificate_logs_in(
    ctx: RecordedContext, tls_vault: TlsVault, certificate_authority: CertificateAuthority
) -> None:
    known = tls_vault.client
    fields: dict[str, Any] = {"url": tls_vault.url, "tls": {"role": "rota"}, **READ}
    shown = {"client_certificate_file": known.cert, "client_key_file": known.key}
    found = Read(**fields, **shown, ca_file=tls_vault.ca).run(ctx)
    assert found.data["path"].get_secret_value() == "auth/cert/login"
    both = Read(**fields, client_certificate_file=known.both, server_certificate="accept_any_insecure")
    with pytest.warns(match="Unverified HTTPS request"):
        assert both.run(ctx).data["path"].get_secret_value() == "auth/cert/login"
    with pytest.raises(TaskFailed, match="not to be trusted") as failure:
        Read(**fields, **shown).run(ctx)
    assert failure.value.retryable is False
    stranger = certificate_authority.self_signed("stranger")
    with pytest.raises(TaskFailed, match=r"says no .*certificate") as refused:
        Read(**fields, client_certificate_file=stranger.both, ca_file=tls_vault.ca).run(ctx)
    assert refused.value.retryable is False


def _answers(http: httpx.Client) -> bool:
    try:
        return http.get("sys/health").status_code > 0
    except httpx.HTTPError:
        return False


def test_a_pod_logs_in_by_the_token_of_its_service_account(
    ctx: RecordedContext, bank: Bank, tmp_path: Path, certificate_authority: CertificateAuthority
) -> None:
    key, file = ec.generate_private_key(ec.SECP256R1()), tmp_path / "token"
    ours, others = pod_token(key, "rota"), pod_token(key, "somebody")
    cluster = {"kubernetes_host": token_reviews({ours: "rota", others: "somebody"}), "disable_local_ca_jwt": True}
    cluster["kubernetes_ca_cert"] = certificate_authority.cert.read_text()  # it must be given, whatever the address
    bank.vault.request("POST", "sys/auth/pods", {"type": "kubernetes"})
    bank.vault.request("POST", "auth/pods/config", {**cluster, "token_reviewer_jwt": ours})
    bound = {"bound_service_account_names": ["rota"], "bound_service_account_namespaces": ["bank"]}
    bank.vault.request("POST", "auth/pods/role/rota", {**bound, "token_policies": ["reader"]})
    fields: dict[str, Any] = {
        "url": bank.vault.url,
        "kubernetes": {"role": "rota", "token_file": file, "mount": "pods"},
    }
    file.write_text(f"{ours}\n")
    assert Read(**fields, **READ).run(ctx).data["path"].get_secret_value() == "auth/pods/login"
    vaultseed.put_secret(bank.vault, "clusters/of-pods", {"password": "seen"})
    found = Kv(**fields).get("clusters/of-pods", ctx)
    assert found is not None
    assert found.fields["password"].get_secret_value() == "seen"
    file.write_text(others)
    with pytest.raises(TaskFailed, match=r"says no .*service account name not authorized") as failure:
        Read(**fields, **READ).run(RecordedContext(tmp_path / "other"))
    assert failure.value.retryable is False
    assert others not in str(failure.value)
    file.unlink()
    with pytest.raises(TaskFailed, match=r"the token in `.*token` cannot be read") as failure:
        Read(**fields, **READ).run(RecordedContext(tmp_path / "third"))
    assert failure.value.retryable is False


def test_wrong_credentials_are_not_worth_a_retry_and_not_shown(ctx: RecordedContext, bank: Bank) -> None:
    wrong = {"role_id": bank.approle.role_id, "secret_id": SecretStr("wrong-word")}
    for login in ({"approle": wrong}, {"token": SecretStr("wrong-word")}):
        with pytest.raises(TaskFailed, match=rf"Vault at `{bank.vault.url}` says no") as failure:
            Read(url=bank.vault.url, path="a", **login).run(ctx)
        assert failure.value.retryable is False
        assert "wrong-word" not in str(failure.value)


def test_a_path_that_the_policy_does_not_allow_is_not_worth_a_retry(ctx: RecordedContext, bank: Bank) -> None:
    token = SecretStr(vaultseed.create_token(bank.vault, "reader"))
    with pytest.raises(TaskFailed, match=r"403.*permission denied") as failure:
        Read(url=bank.vault.url, token=token, path="other").run(ctx)
    assert failure.value.retryable is False


def test_a_token_that_was_revoked_is_replaced_by_a_new_login(ctx: RecordedContext, bank: Bank) -> None:
    reading = Read(**bank.login, **READ)
    accessor = reading.run(ctx).data["accessor"].get_secret_value()
    assert reading.run(ctx).data["accessor"].get_secret_value() == accessor
    bank.vault.request("POST", "auth/token/revoke-accessor", {"accessor": accessor})
    assert reading.run(ctx).data["accessor"].get_secret_value() != accessor


def test_namespaces_are_apart(ctx: RecordedContext, bank: Bank) -> None:
    bank.vault.request("POST", "sys/namespaces/team")
    fields: dict[str, Any] = {**bank.root, "engine": "plain", "path": "sys/mounts"}
    assert "secret/" in Read(**fields).run(ctx).data
    assert "secret/" not in Read(**fields, namespace="team").run(ctx).data


def test_a_refused_connection_and_a_silent_server_may_be_retried(ctx: RecordedContext, silence: Silence) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(TaskFailed, match="cannot be connected to: connection refused") as failure:
            Read(url=url, token=SecretStr("a"), path="a").run(ctx)
    assert failure.value.retryable is None
    with pytest.raises(TaskFailed, match="did not answer within `operation_timeout`") as failure:
        Read(url=f"http://127.0.0.1:{silence.port}", token=SecretStr("a"), path="a", operation_timeout=SHORT).run(ctx)
    assert failure.value.retryable is None


def test_a_task_that_is_cancelled_waits_for_no_answer(ctx: RecordedContext, silence: Silence) -> None:
    task = Read(url=f"http://127.0.0.1:{silence.port}", token=SecretStr("a"), path="a", operation_timeout="1h")
    threading.Timer(0.3, ctx.cancel).start()
    with pytest.raises(TaskFailed, match="it was cancelled"):
        task.run(ctx)


def test_a_killed_vault_may_be_retried(ctx: RecordedContext) -> None:
    with Vault.start() as vault:
        listing = List(url=vault.url, token=SecretStr(vault.token), path="a")
        assert listing.run(ctx).keys == []
        vault.kill()
        with pytest.raises(TaskFailed, match="Vault at") as failure:
            listing.run(ctx)
    assert failure.value.retryable is None


@pytest.mark.parametrize(("wrong", "message"), [("expired", "has expired"), ("self-signed", "self-signed")])
def test_a_wrong_certificate_is_refused_for_good(
    ctx: RecordedContext, certificate_authority: CertificateAuthority, wrong: str, message: str
) -> None:
    ca = certificate_authority
    certificate = ca.issue("expired", expired=True) if wrong == "expired" else ca.self_signed("self-signed")
    with InventoryApi.start(tls=ServerTls(certificate)) as api:
        fields: dict[str, Any] = {"url": api.url, "token": SecretStr("a"), "path": "a", "ca_file": ca.cert}
        with pytest.raises(TaskFailed, match=f"certificate of Vault .*{message}") as failure:
            Read(**fields).run(ctx)
    assert failure.value.retryable is False


def test_a_vault_without_tls_is_told(ctx: RecordedContext, bank: Bank) -> None:
    url = bank.vault.url.replace("http://", "https://")
    with pytest.raises(TaskFailed, match=f"Vault at `{url}` does not speak TLS: wrong version number") as failure:
        Read(url=url, token=SecretStr("a"), path="a").run(ctx)
    assert (failure.value.retryable, failure.value.hint) == (False, "is it `http://`?")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"token": "a", "approle": {"role_id": "b"}},
        {"tls": {}},
        {"jwt": {"role": "a"}},
        {"token": "a", "url": "https://me:word@vault"},
        {"token": "a", "url": "https://vault/v1"},
    ],
)
def test_fields_that_cannot_be_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Read(**{"url": "https://vault.example.org", "path": "a", **fields})
