"""The lab's Vault: its secrets, its logins, and its engines on the other servers."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from sqlalchemy import make_url

from tests.lab import vaultseed
from tests.lab.postgres import Postgres
from tests.lab.process import processes_with
from tests.lab.sshfleet import SshFleet
from tests.lab.sshkeys import KeyPair
from tests.lab.test_ssh import on, ssh
from tests.lab.vault import Vault


@pytest.fixture(scope="module")
def full(postgres: Postgres) -> Iterator[tuple[Vault, vaultseed.AppRole]]:
    """A Vault with everything that a bank keeps in it, and the login of programs."""
    with Vault.start() as vault:
        yield vault, vaultseed.seed(vault, postgres)


def login(vault: Vault, approle: vaultseed.AppRole) -> str:
    body = {"role_id": approle.role_id, "secret_id": approle.secret_id}
    return str(vault.request("POST", "auth/approle/login", body)["auth"]["client_token"])


def test_a_secret_is_kept_with_its_versions(vault: Vault) -> None:
    vaultseed.put_secret(vault, "test/versions", {"word": "one"})
    vaultseed.put_secret(vault, "test/versions", {"word": "two"})
    assert vault.request("GET", "secret/data/test/versions")["data"]["data"] == {"word": "two"}
    assert vault.request("GET", "secret/data/test/versions?version=1")["data"]["data"] == {"word": "one"}


def test_an_unknown_token_is_refused(vault: Vault) -> None:
    with pytest.raises(httpx.HTTPStatusError, match="403"):
        vault.request("GET", "secret/data/test", token="nobody")


def test_a_policy_is_enforced(full: tuple[Vault, vaultseed.AppRole]) -> None:
    vault, _ = full
    token = vaultseed.create_token(vault, "reader")
    vaultseed.put_secret(vault, "clusters/db-01", {"password": "known"})
    assert vault.request("GET", "secret/data/clusters/db-01", token=token)["data"]["data"]["password"] == "known"
    with pytest.raises(httpx.HTTPStatusError, match="permission denied"):
        vault.request("POST", "secret/data/clusters/db-01", {"data": {}}, token)


def test_a_program_gets_a_login_of_postgresql_that_ends_with_its_lease(
    full: tuple[Vault, vaultseed.AppRole], postgres: Postgres
) -> None:
    vault, approle = full
    made = vault.request("GET", "database/creds/reader", token=login(vault, approle))
    user = made["data"]["username"]
    own = make_url(postgres.url).set(drivername="postgresql", username=user, password=made["data"]["password"])
    conninfo = own.render_as_string(hide_password=False)
    with psycopg.connect(conninfo) as connection:
        assert connection.execute("select current_user").fetchone() == (user,)
    vault.request("PUT", "sys/leases/revoke", {"lease_id": made["lease_id"], "sync": True})
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        psycopg.connect(conninfo)


def test_a_password_follows_the_policy(full: tuple[Vault, vaultseed.AppRole]) -> None:
    vault, approle = full
    made = vault.request("GET", "sys/policies/password/bank/generate", token=login(vault, approle))
    assert len(made["data"]["password"]) == 24


def test_transit_and_pki_work(full: tuple[Vault, vaultseed.AppRole]) -> None:
    vault, approle = full
    token = login(vault, approle)
    sealed = vault.request("POST", "transit/encrypt/bank", {"plaintext": "aGk="}, token)["data"]["ciphertext"]
    assert vault.request("POST", "transit/decrypt/bank", {"ciphertext": sealed}, token)["data"]["plaintext"] == "aGk="
    issued = vault.request("POST", "pki/issue/server", {"common_name": "db.example.org"}, token)["data"]
    assert issued["certificate"].startswith("-----BEGIN CERTIFICATE-----")


def test_a_host_takes_a_key_that_vault_signed(
    full: tuple[Vault, vaultseed.AppRole], ssh_fleet: SshFleet, tmp_path: Path
) -> None:
    vault, approle = full
    key = KeyPair.generate(tmp_path / "id")
    body = {"public_key": key.public, "valid_principals": ssh_fleet.user}
    signed = vault.request("POST", "ssh/sign/operator", body, login(vault, approle))["data"]["signed_key"]
    (tmp_path / "id-cert.pub").write_text(signed)
    host = ssh_fleet.host("host-1")
    assert "Permission denied" in ssh(ssh_fleet.user, host.port, ssh_fleet.known_hosts, key, "true").stderr
    ssh_fleet.trust_user_ca(vaultseed.ssh_ca_key(vault))
    assert ssh(ssh_fleet.user, host.port, ssh_fleet.known_hosts, key, "echo in").stdout == "in\n"
    assert on(ssh_fleet, host, "true").returncode == 0


def test_nothing_is_left_of_a_stopped_vault_and_nothing_in_the_home() -> None:
    with Vault.start() as vault:
        assert processes_with(str(vault.folder)) != []
        listing = subprocess.run(["ls", "-A", vault.folder], capture_output=True, text=True, check=True).stdout
        assert ".vault-token" not in listing
        assert vault.token not in " ".join(processes_with(str(vault.folder)))
    assert processes_with(str(vault.folder)) == []
    assert not vault.folder.exists()
