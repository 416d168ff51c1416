"""The Vault of these tests: with everything that a bank keeps in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import SecretStr
from tests.lab import vaultseed
from tests.lab.postgres import Postgres
from tests.lab.vault import Vault


@dataclass(frozen=True)
class Bank:
    """A Vault with its engines, and how programs log in."""

    vault: Vault
    approle: vaultseed.AppRole

    @property
    def login(self) -> dict[str, Any]:
        """The fields of the connection, as a program."""
        secret = SecretStr(self.approle.secret_id)
        return {"url": self.vault.url, "approle": {"role_id": self.approle.role_id, "secret_id": secret}}

    @property
    def root(self) -> dict[str, Any]:
        """The fields of the connection, as root."""
        return {"url": self.vault.url, "token": SecretStr(self.vault.token)}


@pytest.fixture(scope="session")
def bank(postgres: Postgres) -> Iterator[Bank]:
    """A Vault that knows the lab's PostgreSQL."""
    with Vault.start() as vault:
        yield Bank(vault, vaultseed.seed(vault, postgres))
