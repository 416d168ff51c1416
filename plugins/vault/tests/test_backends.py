"""Tests of the secret backends: by themselves, and with executions that end in every way."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import yaml
from plugins.vault.tests.conftest import Bank
from pydantic import SecretStr
from sqlalchemy import make_url
from tests.lab import vaultseed
from tests.lab.postgres import Postgres

from rota import Lease, SecretError
from rota.testing import RecordedContext
from rota_vault.backends import Dynamic, Kv


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds that another process or thread does."""
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.05)


def leases(bank: Bank, role: str = "reader") -> list[str]:
    try:
        found: list[str] = bank.vault.request("LIST", f"sys/leases/lookup/database/creds/{role}")["data"]["keys"]
    except httpx.HTTPStatusError:
        return []
    return found


def test_secrets_of_both_versions_are_found(ctx: RecordedContext, bank: Bank) -> None:
    vaultseed.put_secret(bank.vault, "db/backup", {"password": "two", "port": 5432})
    bank.vault.request("POST", "kv1/db/backup", {"password": "one"})
    newer, older = Kv(**bank.login), Kv(**bank.login, mount="kv1", version=1, prefix="old/")
    found = newer.get("db/backup", ctx)
    assert found is not None
    assert {name: text.get_secret_value() for name, text in found.fields.items()} == {"password": "two", "port": "5432"}
    found = older.get("old/db/backup", ctx)
    assert found is not None
    assert found.fields["password"].get_secret_value() == "one"
    assert older.get("db/backup", ctx) is None
    assert newer.get("db/nothing", ctx) is None
    with pytest.raises(SecretError, match="not a path"):
        newer.get("../sys/mounts", ctx)


@pytest.mark.parametrize(
    ("fields", "message", "hint"),
    [
        ({"mount": "nowhere"}, r"`nowhere/data/db/one` \(404\): no handler for route", "nothing is mounted there"),
        ({"namespace": "nowhere"}, r"`secret/data/db/one` \(404\): namespace not found", ""),
        ({"version": 1}, r"`secret/db/one` \(404\): Invalid path", "the engine there is KV version 2"),
    ],
)
def test_an_engine_that_is_not_there_is_told_and_no_missing_secret(
    ctx: RecordedContext, bank: Bank, fields: dict[str, Any], message: str, hint: str
) -> None:
    with pytest.raises(SecretError, match=message) as refused:
        Kv(**bank.root, **fields).get("db/one", ctx)
    assert refused.value.hint.startswith(hint)
    assert refused.value.retryable is False


def test_a_dynamic_engine_that_is_not_there_is_told(ctx: RecordedContext, bank: Bank) -> None:
    with pytest.raises(SecretError, match=r"`nowhere/creds/reader` \(404\): no handler for route"):
        Dynamic(**bank.root, mount="nowhere").get("reader", ctx)


@pytest.mark.parametrize("path", ["secret/data/db/backup", "secret/db/backup", "data/db/backup"])
def test_a_path_with_what_the_backend_adds_itself_is_told_in_the_log(
    ctx: RecordedContext, bank: Bank, path: str
) -> None:
    assert Kv(**bank.root).get(path, ctx) is None
    [line] = ctx.log.lines
    assert line.message == f"there is nothing at `secret/data/{path}`: the backend adds `secret/data/` itself"


def test_secrets_of_a_namespace_are_its_own(ctx: RecordedContext, bank: Bank) -> None:
    bank.vault.request("POST", "sys/namespaces/cards")
    bank.vault.request("POST", "cards/sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
    vaultseed.put_secret(bank.vault, "db/spaces", {"password": "of the root"})
    mine = Kv(**bank.root, namespace="cards")
    until(lambda: _answers(mine, ctx))
    assert mine.get("db/spaces", ctx) is None
    bank.vault.request("POST", "cards/secret/data/db/spaces", {"data": {"password": "of the cards"}})
    found = mine.get("db/spaces", ctx)
    assert found is not None
    assert found.fields["password"].get_secret_value() == "of the cards"


def _answers(backend: Kv, ctx: RecordedContext) -> bool:
    """Return whether the engine that was mounted just now has finished its beginnings."""
    try:
        backend.get("db/nothing", ctx)
    except SecretError:
        return False
    return True


def test_a_forbidden_path_is_final_and_a_vault_that_is_away_is_not(ctx: RecordedContext, bank: Bank) -> None:
    token = SecretStr(vaultseed.create_token(bank.vault, "reader"))
    with pytest.raises(SecretError, match="permission denied") as failure:
        Kv(url=bank.vault.url, token=token).get("other", ctx)
    assert not failure.value.retryable
    with pytest.raises(SecretError, match="connection refused") as failure:
        Kv(url="http://127.0.0.1:1", token=token).get("other", ctx)
    assert failure.value.retryable


def test_the_token_is_renewed_while_nobody_asks(ctx: RecordedContext, bank: Bank) -> None:
    token = vaultseed.create_token(bank.vault, "tasks", ttl="6s")
    backend = Kv(url=bank.vault.url, token=SecretStr(token))
    backend.get("db/nothing", ctx)
    until(lambda: bool(bank.vault.request("POST", "auth/token/lookup", {"token": token})["data"].get("last_renewal")))


def test_a_login_is_made_renewed_and_revoked(ctx: RecordedContext, bank: Bank, postgres: Postgres) -> None:
    backend = Dynamic(**bank.login, prefix="dynamic/")
    secret = backend.get("dynamic/reader", ctx)
    assert secret is not None
    assert secret.lease is not None
    fields = {name: text.get_secret_value() for name, text in secret.fields.items()}
    url = make_url(postgres.url).set(drivername="postgresql", username=fields["username"], password=fields["password"])
    psycopg.connect(url.render_as_string(hide_password=False)).close()
    renewed = backend.renew(secret.lease)
    assert (renewed.id, renewed.renewable) == (secret.lease.id, True)
    assert renewed.duration > timedelta(minutes=50)
    backend.revoke(renewed)
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        psycopg.connect(url.render_as_string(hide_password=False))
    backend.revoke(renewed)
    with pytest.raises(SecretError):
        backend.renew(Lease("database/creds/reader/unknown", timedelta(hours=1)))
    assert backend.get("dynamic/nobody", ctx) is None


class Place:
    """A folder with Rota's settings, whose secrets are logins that Vault makes."""

    rota = (sys.executable, "-m", "rota")

    def __init__(self, folder: Path, bank: Bank) -> None:
        self.folder, self.user = folder, folder / "user"
        subprocess.run([*self.rota, "init"], cwd=folder, capture_output=True, check=True)
        secret = {"role_id": bank.approle.role_id, "secret_id": bank.approle.secret_id}
        backend: dict[str, Any] = {"id": "db", "type": "vault.dynamic", "url": bank.vault.url, "approle": secret}
        settings = {"home": ".rota", "secrets": [{**backend, "prefix": "dynamic/"}]}
        (folder / "rota.yaml").write_text(yaml.safe_dump(settings))

    def write_flow(self, command: str, role: str = "reader") -> None:
        """Write a flow that keeps the user's name in a file, and then runs `command`."""
        fields = {"NAME": "username", "WORD": "password"}
        env = {name: f"{{{{ secret('dynamic/{role}#{field}') }}}}" for name, field in fields.items()}
        keep = f'test -n "$WORD" && echo "$NAME" > {self.user}.new && mv {self.user}.new {self.user}; {command}'
        tasks = [{"id": "use", "type": "shell", "command": keep, "env": env}]
        (self.folder / "flow.yaml").write_text(yaml.safe_dump({"id": "login", "namespace": "test", "tasks": tasks}))

    def run(self) -> subprocess.CompletedProcess[str]:
        """Run the flow to its end."""
        return subprocess.run(
            [*self.rota, "run", "flow.yaml"], cwd=self.folder, capture_output=True, text=True, check=False, timeout=60
        )

    @contextmanager
    def started(self, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        """Start a command of Rota's; it is killed at the end if it still runs."""
        quiet = subprocess.DEVNULL
        with subprocess.Popen([*self.rota, *words], cwd=self.folder, stdout=quiet, stderr=quiet) as process:
            try:
                yield process
            finally:
                process.kill()

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """Start the flow and wait until it has its login."""
        with self.started("run", "flow.yaml") as run:
            until(self.user.exists)
            yield run


@pytest.mark.parametrize(("command", "code"), [("true", 0), ("exit 3", 1)])
def test_an_execution_has_one_login_and_leaves_none_behind(bank: Bank, tmp_path: Path, command: str, code: int) -> None:
    place, before = Place(tmp_path, bank), set(leases(bank))
    place.write_flow(command)
    done = place.run()
    assert done.returncode == code, done.stdout + done.stderr
    user = place.user.read_text().strip()
    assert user.startswith("v-")
    assert user not in done.stdout + done.stderr
    until(lambda: set(leases(bank)) <= before)


def test_a_login_lives_as_long_as_the_execution_and_longer_than_its_lease(
    bank: Bank, tmp_path: Path, postgres: Postgres
) -> None:
    bank.vault.request("POST", "database/roles/brief", {**_role(bank), "default_ttl": "6s"})
    place, url = Place(tmp_path, bank), make_url(postgres.url)
    server = f"host={url.host} port={url.port} dbname={url.database}"
    look = f"import os, psycopg; psycopg.connect('{server}', user=os.environ['NAME'], password=os.environ['WORD'])"
    place.write_flow(f'sleep 14; {sys.executable} -c "{look}"', role="brief")
    done = place.run()
    assert done.returncode == 0, done.stdout + done.stderr
    user = place.user.read_text().strip()
    until(lambda: not leases(bank, "brief"))
    with psycopg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False)) as connection:
        assert connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [user]).fetchall() == []


def _role(bank: Bank) -> dict[str, Any]:
    """Return how Vault makes the logins of `reader`."""
    found: dict[str, Any] = bank.vault.request("GET", "database/roles/reader")["data"]
    return {name: found[name] for name in ("db_name", "creation_statements", "revocation_statements", "max_ttl")}


def test_a_cancelled_execution_leaves_no_login_behind(bank: Bank, tmp_path: Path) -> None:
    place, before = Place(tmp_path, bank), set(leases(bank))
    place.write_flow("sleep 300")
    with place.running() as run:
        assert set(leases(bank)) - before
        run.send_signal(signal.SIGINT)
        run.wait(60)
    until(lambda: set(leases(bank)) <= before)


def test_a_killed_execution_leaves_no_login_behind_once_a_server_is_there(bank: Bank, tmp_path: Path) -> None:
    place, before = Place(tmp_path, bank), set(leases(bank))
    place.write_flow("sleep 300")
    with place.running() as run:
        run.kill()
        run.wait(60)
    assert set(leases(bank)) - before
    with place.started("serve") as server:
        until(lambda: set(leases(bank)) <= before)
        server.terminate()
        server.wait(60)
