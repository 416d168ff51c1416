"""Every type and both secret backends against the same failures: logins, rights, nobody there, silence, certificates."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from plugins.vault.tests.conftest import Bank
from pydantic import SecretStr
from tests.lab.failing import SECRET, failing, failing_by_cancel
from tests.lab.silence import Silence

from rota import RotaError, SecretError
from rota.testing import RecordedContext
from rota_vault.backends import Dynamic, Kv
from rota_vault.leases import RevokeLease
from rota_vault.passwords import GeneratePassword
from rota_vault.secret_paths import Delete, List, Patch, Read, Write
from rota_vault.signing import IssueCertificate, SignSshKey
from rota_vault.transit import TransitDecrypt, TransitEncrypt, TransitRewrap, TransitRotate
from rota_vault.wrapping import Unwrap, Wrap

Vault = dict[str, Any]
Act = Callable[[RecordedContext, Vault], object]
HIDDEN = SecretStr(SECRET)
KEY: Any = {"key_name": "bank"}

TASKS: dict[str, Act] = {
    "read": lambda ctx, vault: Read(**vault, path="closed/one").run(ctx),
    "write": lambda ctx, vault: Write(**vault, path="closed/one", data={"password": HIDDEN}).run(ctx),
    "patch": lambda ctx, vault: Patch(**vault, path="closed/one", data={"password": HIDDEN}).run(ctx),
    "delete": lambda ctx, vault: Delete(**vault, path="closed/one").run(ctx),
    "list": lambda ctx, vault: List(**vault, path="closed").run(ctx),
    "generate password": lambda ctx, vault: GeneratePassword(**vault, policy="bank").run(ctx),
    "transit encrypt": lambda ctx, vault: TransitEncrypt(**vault, **KEY, plaintext=HIDDEN).run(ctx),
    "transit decrypt": lambda ctx, vault: TransitDecrypt(**vault, **KEY, ciphertext="vault:v1:x").run(ctx),
    "transit rotate": lambda ctx, vault: TransitRotate(**vault, **KEY).run(ctx),
    "transit rewrap": lambda ctx, vault: TransitRewrap(**vault, **KEY, ciphertext="vault:v1:x").run(ctx),
    "sign ssh key": lambda ctx, vault: SignSshKey(**vault, role="ops", public_key="ssh-ed25519 AAAA").run(ctx),
    "issue certificate": lambda ctx, vault: IssueCertificate(**vault, role="web", common_name="a.bank").run(ctx),
    "revoke lease": lambda ctx, vault: RevokeLease(**vault, lease_id="database/creds/app/1").run(ctx),
    "wrap": lambda ctx, vault: Wrap(**vault, data={"password": SECRET}).run(ctx),
    "unwrap": lambda ctx, vault: Unwrap(**vault, wrapping_token=HIDDEN).run(ctx),
}
BACKENDS: dict[str, Act] = {
    "kv": lambda ctx, vault: Kv(**vault).get("closed/one", ctx),
    "dynamic": lambda ctx, vault: Dynamic(**vault).get("app", ctx),
}
ALL = TASKS | BACKENDS
RIGHTS = {name: act for name, act in ALL.items() if name != "unwrap"}
"""A wrapping token is its own right."""
every_type = pytest.mark.parametrize("act", ALL.values(), ids=ALL)


@every_type
def test_a_wrong_token(ctx: RecordedContext, bank: Bank, act: Act) -> None:
    error = failing(ctx, act, {"url": bank.vault.url, "token": HIDDEN}, kind=RotaError)
    assert error.retryable is False
    assert "permission denied" in error.message or "token" in error.message, error.message


@every_type
def test_a_wrong_secret_id(ctx: RecordedContext, bank: Bank, act: Act) -> None:
    login = {"role_id": "nobody", "secret_id": HIDDEN}  # Vault locks a real one out after a few of these
    error = failing(ctx, act, {"url": bank.vault.url, "approle": login}, kind=RotaError)
    assert error.retryable is False


@pytest.mark.parametrize("act", RIGHTS.values(), ids=RIGHTS)
def test_a_login_that_may_not(ctx: RecordedContext, bank: Bank, act: Act) -> None:
    made = bank.vault.request("POST", "auth/token/create", {"policies": ["reader"], "no_default_policy": True})
    error = failing(ctx, act, {"url": bank.vault.url, "token": SecretStr(made["auth"]["client_token"])}, kind=RotaError)
    assert "permission denied" in error.message or "may not" in error.message, error.message
    assert error.retryable is False


@every_type
def test_nobody_there(ctx: RecordedContext, act: Act) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        error = failing(
            ctx, act, {"url": f"http://127.0.0.1:{unused.getsockname()[1]}", "token": HIDDEN}, kind=RotaError
        )
    assert "connection refused" in error.message, error.message
    assert error.retryable is (True if isinstance(error, SecretError) else None)


@every_type
def test_silence(ctx: RecordedContext, silence: Silence, act: Act) -> None:
    fields = {"url": f"http://127.0.0.1:{silence.port}", "token": HIDDEN, "operation_timeout": "200ms"}
    error = failing(ctx, act, fields, kind=RotaError)
    assert "did not answer within `operation_timeout`" in error.message, error.message
    assert error.retryable is (True if isinstance(error, SecretError) else None)


@pytest.mark.parametrize("act", TASKS.values(), ids=TASKS)
def test_cancel_in_the_silence(ctx: RecordedContext, silence: Silence, act: Act) -> None:
    fields = {"url": f"http://127.0.0.1:{silence.port}", "token": HIDDEN, "operation_timeout": "1h"}
    error = failing_by_cancel(ctx, act, fields)
    assert "cancelled" in error.message, error.message


@every_type
def test_a_certificate_that_nobody_should_trust(
    ctx: RecordedContext, badly_certified: tuple[str, Path], act: Act
) -> None:
    url, ca = badly_certified
    error = failing(ctx, act, {"url": url, "token": HIDDEN, "ca_file": ca}, kind=RotaError)
    assert "certificate of Vault" in error.message, error.message
    assert error.retryable is False
