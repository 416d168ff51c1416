"""Tests of who asks: logins, tokens, certificates on both sides, and the way through a proxy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from plugins.http.tests.site import Site
from pydantic import SecretStr
from tests.lab.certificates import Certificate, CertificateAuthority, ServerTls
from tests.lab.githttp import GitHttp
from tests.lab.inventory_api import InventoryApi

from rota import TaskFailed
from rota.testing import RecordedContext
from rota_http.request import Request


def test_a_basic_login_opens_a_closed_repository(ctx: RecordedContext) -> None:
    with GitHttp.start(login=True) as git:
        url = f"{git.create('flows', {'a': '1'})}/info/refs"
        assert git.password is not None
        fields: dict[str, Any] = {"url": url, "params": {"service": "git-upload-pack"}, "user": git.user}
        found = Request(**fields, password=SecretStr(git.password)).run(ctx)
        assert found.artifact is not None or "refs/heads/main" in str(found.text)
        with pytest.raises(TaskFailed, match=r"answered GET /flows\.git/info/refs with 401") as failure:
            Request(**fields, password=SecretStr("wrong-word")).run(ctx)
    assert failure.value.retryable is False
    assert "wrong-word" not in str(failure.value)


def test_a_wrong_token_is_not_worth_a_retry(ctx: RecordedContext, inventory_api: InventoryApi) -> None:
    with pytest.raises(TaskFailed, match=r"401 Unauthorized: .*a bearer token is needed") as failure:
        Request(url=f"{inventory_api.url}/prices", token=SecretStr("wrong-token")).run(ctx)
    assert failure.value.retryable is False
    assert "wrong-token" not in str(failure.value)


def oauth2(site: Site, secret: str = "s3cret/word") -> dict[str, Any]:
    return {"token_url": f"{site.url}/token", "client_id": "rota", "client_secret": SecretStr(secret)}


def test_a_token_is_asked_for_once_and_anew_when_it_is_refused(ctx: RecordedContext, site: Site) -> None:
    site.tokens = ["first", "second"]
    asking = Request(url=f"{site.url}/protected", oauth2=oauth2(site))
    assert asking.run(ctx).text == "in"
    assert asking.run(ctx).text == "in"
    assert site.requests == ["POST /token", "GET /protected", "GET /protected"]
    site.token = "revoked at the server"
    assert asking.run(ctx).text == "in"
    assert site.requests[3:] == ["GET /protected", "POST /token", "GET /protected"]


def test_a_wrong_client_secret_names_the_authority_and_not_the_secret(ctx: RecordedContext, site: Site) -> None:
    with pytest.raises(TaskFailed, match=r"no token for the client `rota`: .*401.*invalid_client") as failure:
        Request(url=f"{site.url}/protected", oauth2=oauth2(site, "wrong-word")).run(ctx)
    assert failure.value.retryable is False
    assert "wrong-word" not in str(failure.value)
    assert site.requests == ["POST /token"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [("expired", "has expired"), ("self-signed", "self-signed"), ("of another host", "not valid for")],
)
def test_a_wrong_certificate_is_refused_for_good(
    ctx: RecordedContext, certificate_authority: CertificateAuthority, wrong: str, message: str
) -> None:
    ca = certificate_authority
    certificate = {
        "expired": ca.issue("expired", expired=True),
        "self-signed": ca.self_signed("self-signed"),
        "of another host": ca.issue("other", ("other.example.org",)),
    }[wrong]
    with InventoryApi.start(tls=ServerTls(certificate)) as api:
        url = f"{api.url}/health"
        with pytest.raises(TaskFailed, match=rf"certificate of `https://127\.0\.0\.1:\d+` .*{message}") as failure:
            Request(url=url, ca_file=ca.cert).run(ctx)
        assert failure.value.retryable is False
        assert Request(url=url, server_certificate="accept_any_insecure").run(ctx).json == {"ok": True}
        with pytest.raises(TaskFailed, match="not to be trusted"):
            Request(url=url).run(ctx)


def test_both_sides_show_a_certificate(ctx: RecordedContext, certificate_authority: CertificateAuthority) -> None:
    ca = certificate_authority
    known = ca.issue("client")
    trust = {"ca": ca.cert.read_text()}
    with InventoryApi.start(tls=ServerTls(ca.issue("server"), client_ca=ca.cert)) as api:
        url = f"{api.url}/health"
        for shown in (
            {"client_certificate_file": known.both},
            {"client_certificate_file": known.cert, "client_key_file": known.key},
            {"client_certificate": known.cert.read_text(), "client_key": SecretStr(known.key.read_text())},
            {**_encrypted(known), "client_key_password": SecretStr("word")},
        ):
            assert Request(url=url, **trust, **shown).run(ctx).json == {"ok": True}
        with pytest.raises(TaskFailed, match="wants one"):
            Request(url=url, **trust).run(ctx)
        stranger = ca.self_signed("stranger")
        with pytest.raises(TaskFailed, match="does not take the client's certificate") as failure:
            Request(url=url, **trust, client_certificate_file=stranger.both).run(ctx)
        assert failure.value.retryable is False


def _encrypted(known: Certificate) -> dict[str, Any]:
    key = load_pem_private_key(known.key.read_bytes(), None)
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word")).decode()
    return {"client_certificate": known.cert.read_text(), "client_key": SecretStr(text)}


def test_certificates_that_cannot_be_used_are_named(
    ctx: RecordedContext, certificate_authority: CertificateAuthority, tmp_path: Path
) -> None:
    known = certificate_authority.issue("client")
    url = "https://127.0.0.1:1"
    with pytest.raises(TaskFailed, match=r"ca_file: .*nothing\.pem` cannot be used: No such file"):
        Request(url=url, ca_file=tmp_path / "nothing.pem").run(ctx)
    with pytest.raises(TaskFailed, match="client's certificate and key cannot be used") as failure:
        Request(url=url, **_encrypted(known), client_key_password=SecretStr("wrong-word")).run(ctx)
    assert failure.value.retryable is False
    with pytest.raises(TaskFailed, match="client's certificate and key cannot be used"):
        Request(url=url, **_encrypted(known)).run(ctx)


def test_a_proxy_is_gone_through_with_its_login(
    ctx: RecordedContext, site: Site, certificate_authority: CertificateAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    ca = certificate_authority
    proxy = site.url.replace("//", "//me:word@")
    with InventoryApi.start(tls=ServerTls(ca.issue("server"))) as api:
        fields: dict[str, Any] = {"url": f"{api.url}/health", "ca_file": ca.cert}
        assert Request(**fields, proxy=SecretStr(proxy)).run(ctx).json == {"ok": True}
        assert site.requests == [f"CONNECT 127.0.0.1:{api.ports[0]}"]
        with pytest.raises(TaskFailed, match=r"the proxy `127\.0\.0\.1:\d+` did not connect .*407") as failure:
            Request(**fields, proxy=site.url).run(ctx)
        assert failure.value.retryable is False
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        assert Request(**fields).run(ctx).json == {"ok": True}
        count = len(site.requests)
        assert Request(**fields, proxy="none").run(ctx).json == {"ok": True}
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert Request(**fields).run(ctx).json == {"ok": True}
    assert len(site.requests) == count
