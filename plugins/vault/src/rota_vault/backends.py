"""Secret backends `vault.kv` and `vault.dynamic`."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, PrivateAttr, SecretStr

from rota import Context, Lease, Secret, SecretBackend, SecretError
from rota_vault.connection_fields import ConnectionFields, connection_of

if TYPE_CHECKING:
    from rota_vault.client import VaultClient
    from rota_vault.problems import Problem


class VaultBackend(ConnectionFields, SecretBackend):
    """A backend with one client for as long as it is there; its token is kept alive."""

    prefix: str = ""
    """Only paths that begin with this are looked up here, without it: `prefix: vault/` and
    `secret('vault/db#user')`."""

    _client: Any = PrivateAttr(default=None)
    _lock: Any = PrivateAttr(default_factory=threading.Lock)

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return Vault's answer. Raises Problem."""
        from rota_vault.client import VaultClient

        with self._lock:
            client: VaultClient = self._client or VaultClient(connection_of(self), keep_alive=True)
            self._client = client
        return client.request(method, path, body)

    def below_prefix(self, path: str) -> str | None:
        """Return the path without the prefix; None where it is not for this backend. Raises SecretError."""
        if not path.startswith(self.prefix):
            return None
        own = path.removeprefix(self.prefix)
        if not own or own.startswith("/") or {"..", "."} & set(own.split("/")) or set(own) & set("?#%"):
            raise SecretError(f"`{path}` is not a path of a secret", hint=f"write it like `{self.prefix}db/backup`")
        return own


class Kv(VaultBackend):
    """Secrets of the KV engine, version 2 or 1.

    `secret('db/backup#password')` is the field `password` of the secret `db/backup`. A value that is no text is
    given as JSON.

    Example:
        - id: vault
          type: vault.kv
          url: https://vault.bank.internal:8200
          approle: {role_id: rota}
          mount: secret
          namespaces: [data]
    """

    mount: str = Field(default="secret", min_length=1)
    """Where the engine is mounted."""
    version: Literal[1, 2] = 2
    """The version of the engine."""

    def get(self, path: str, ctx: Context) -> Secret | None:
        from rota_vault.problems import Problem, repeats_mount

        own = self.below_prefix(path)
        if own is None:
            return None
        engine = f"{self.mount.strip('/')}/{'data/' if self.version == 2 else ''}"
        address = engine + own
        try:
            found = self.ask("get", address)
        except Problem as problem:
            if problem.absent:
                if repeats_mount(address):
                    ctx.log.warning(f"there is nothing at `{address}`: the backend adds `{engine}` itself")
                return None
            raise _error(path, problem) from problem
        data = (found.get("data") or {}).get("data") if self.version == 2 else found.get("data")
        return _secret(data, None) if data else None


class Dynamic(VaultBackend):
    """Logins that Vault makes for an execution, and ends with it: the database engine and those like it.

    `secret('reader#username')` and `secret('reader#password')` are of one login of the role `reader`, made when it is
    first asked for, renewed while the execution runs, revoked at its end. It ends with the token that Vault gave
    Rota, too: use a token that can be renewed for as long as the longest execution (`token_period` of an AppRole).

    Example:
        - id: databases
          type: vault.dynamic
          url: https://vault.bank.internal:8200
          approle: {role_id: rota}
          prefix: dynamic/
          mount: database
    """

    mount: str = Field(default="database", min_length=1)
    """Where the engine is mounted."""
    endpoint: str = "creds"
    """What stands between mount and role in Vault's path."""

    def get(self, path: str, ctx: Context) -> Secret | None:
        from rota_vault.problems import Problem

        own = self.below_prefix(path)
        if own is None:
            return None
        try:
            found = self.ask("get", f"{self.mount.strip('/')}/{self.endpoint}/{own}")
        except Problem as problem:
            if problem.absent or (problem.status == 400 and "unknown role" in problem.message):
                return None
            raise _error(path, problem) from problem
        data = found.get("data") or {}
        lease = None
        if found.get("lease_id"):
            duration = timedelta(seconds=found.get("lease_duration") or 0)
            lease = Lease(found["lease_id"], duration, bool(found.get("renewable")))
        return _secret(data, lease)

    def renew(self, lease: Lease) -> Lease:
        from rota_vault.problems import Problem

        if not lease.renewable:
            return lease
        try:
            found = self.ask("put", "sys/leases/renew", {"lease_id": lease.id})
        except Problem as problem:
            raise _error(lease.id, problem) from problem
        duration = timedelta(seconds=found.get("lease_duration") or 0)
        return Lease(found.get("lease_id") or lease.id, duration, bool(found.get("renewable")))

    def revoke(self, lease: Lease) -> None:
        from rota_vault.problems import Problem

        try:
            self.ask("put", "sys/leases/revoke", {"lease_id": lease.id, "sync": True})
        except Problem as problem:
            if not (problem.status in {400, 404} and "lease not found" in problem.message):
                raise _error(lease.id, problem) from problem


def _secret(data: dict[str, Any], lease: Lease | None) -> Secret:
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in data.items()}
    return Secret({name: SecretStr(text) for name, text in texts.items()}, lease)


def _error(what: str, problem: Problem) -> SecretError:
    return SecretError(f"`{what}`: {problem.message}", retryable=problem.retryable is not False, hint=problem.hint)
