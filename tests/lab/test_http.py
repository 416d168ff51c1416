"""The lab's HTTP servers: the inventory, git, and one that is silent; and TLS that is right or wrong."""

from __future__ import annotations

import socket
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.lab.certificates import CertificateAuthority, ServerTls
from tests.lab.githttp import GitHttp, git
from tests.lab.inventory_api import InventoryApi
from tests.lab.process import processes_with
from tests.lab.silence import Silence


def client(api: InventoryApi) -> httpx.Client:
    headers = {"Authorization": f"Bearer {api.token}"}
    return httpx.Client(base_url=api.url, headers=headers, trust_env=False)


def test_the_inventory_is_read_page_by_page(inventory_api: InventoryApi) -> None:
    with client(inventory_api) as http:
        first = http.get("/clusters", params={"limit": 3})
        second = http.get(first.links["next"]["url"])
        names = [cluster["name"] for page in (first, second) for cluster in page.json()["items"]]
        assert names == ["db-01", "db-02", "db-03", "db-04", "db-05"]
        assert first.json()["next"] == "3"
        assert second.json()["next"] is None
        assert "next" not in second.links
        assert http.get("/clusters/db-02").json()["name"] == "db-02"
        assert http.get("/clusters/db-99").status_code == 404
        assert http.get("/prices").json()["cluster_month"] == 40.0


def test_an_answer_that_did_not_change_is_not_sent_again(inventory_api: InventoryApi) -> None:
    with client(inventory_api) as http:
        tag = {"If-None-Match": http.get("/clusters").headers["ETag"]}
        assert http.get("/clusters", headers=tag).status_code == 304
        inventory_api.set_clusters([{"name": "new"}])
        assert http.get("/clusters", headers=tag).json()["items"] == [{"name": "new"}]


def test_the_inventory_wants_its_token_and_fails_when_told(inventory_api: InventoryApi) -> None:
    assert httpx.get(f"{inventory_api.url}/clusters", trust_env=False).status_code == 401
    inventory_api.fail(503, times=2, headers={"Retry-After": "1"})
    with client(inventory_api) as http:
        answers = [http.get("/prices") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert answers[0].headers["Retry-After"] == "1"
    assert inventory_api.requests == ["GET /clusters", *["GET /prices"] * 3]


def test_a_frozen_server_answers_when_it_goes_on() -> None:
    with InventoryApi.start() as api, client(api) as http:
        assert http.get("/health").json() == {"ok": True}
        api.freeze()
        with pytest.raises(httpx.ReadTimeout):
            http.get("/health", timeout=0.05)
        api.thaw()
        assert http.get("/health").json() == {"ok": True}
    assert processes_with(str(api.folder)) == []
    assert not api.folder.exists()


@pytest.mark.parametrize("wrong", ["expired", "self-signed", "of another host"])
def test_a_wrong_certificate_is_told_from_a_right_one(certificate_authority: CertificateAuthority, wrong: str) -> None:
    ca = certificate_authority
    certificate = {
        "expired": ca.issue("expired", expired=True),
        "self-signed": ca.self_signed("self-signed"),
        "of another host": ca.issue("other", ("other.example.org",)),
    }[wrong]
    trust = ssl.create_default_context(cafile=ca.cert)
    message = {"expired": "has expired", "self-signed": "self-signed", "of another host": "not valid for"}[wrong]
    with InventoryApi.start(tls=ServerTls(certificate)) as api, pytest.raises(httpx.ConnectError, match=message):
        httpx.get(f"{api.url}/health", verify=trust, trust_env=False)


def test_a_server_can_want_a_certificate_of_its_clients(certificate_authority: CertificateAuthority) -> None:
    ca = certificate_authority
    trust = ssl.create_default_context(cafile=ca.cert)
    with InventoryApi.start(tls=ServerTls(ca.issue("server"), client_ca=ca.cert)) as api:
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"{api.url}/health", verify=trust, trust_env=False)
        known = ca.issue("client")
        trust.load_cert_chain(known.cert, known.key)
        assert httpx.get(f"{api.url}/health", verify=trust, trust_env=False).status_code == 200


def test_a_repository_is_cloned_and_pushed_to(git_http: GitHttp, tmp_path: Path) -> None:
    url = git_http.create("flows", {"backup/flow.yaml": "id: backup\n"})
    work = tmp_path / "work"
    git("clone", url, work)
    assert (work / "backup" / "flow.yaml").read_text() == "id: backup\n"
    (work / "big").write_bytes(bytes(range(256)) * 10_000)
    git("-C", work, "add", "--all")
    git("-C", work, "commit", "--message", "more")
    git("-C", work, "push")
    assert git("-C", git_http.path("flows"), "rev-parse", "main") == git("-C", work, "rev-parse", "HEAD")
    newest = git_http.commit("flows", {"new": "1"}, "still more")
    git("-C", work, "pull")
    assert git("-C", work, "rev-parse", "HEAD") == newest


def test_a_repository_can_want_a_login(tmp_path: Path) -> None:
    with GitHttp.start(login=True) as server:
        url = server.create("closed", {"a": "1"})
        with pytest.raises(subprocess.CalledProcessError):
            git("clone", url, tmp_path / "without")
        git("clone", url.replace("//", f"//{server.user}:{server.password}@"), tmp_path / "with")
        git("clone", server.path("closed"), tmp_path / "by-path")
    assert processes_with(str(server.folder)) == []


def test_silence_takes_a_connection_and_says_nothing(silence: Silence) -> None:
    with socket.create_connection(("127.0.0.1", silence.port), timeout=0.05) as connection:
        connection.sendall(b"hello?")
        with pytest.raises(TimeoutError):
            connection.recv(1)
