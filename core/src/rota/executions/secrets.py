"""The secrets of one execution: asked of the backends once per path, masked from then on, their leases on record."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

from pydantic import SecretStr

from rota.context import Context
from rota.errors import RotaError, SecretError
from rota.executions.masking import Masker
from rota.extensions import Lease, Secret, SecretBackend

DEFAULT_FIELD = "value"
"""The field that `secret('path')` means, for backends whose secrets are single values."""


class ExecutionSecrets:
    """What `secret()` and `ctx.secret()` ask. Safe for threads; each path is fetched once unless `fresh`.

    `backends` are those open to the namespace, by id, in the order in which they are asked.
    """

    def __init__(
        self,
        namespace: str,
        backends: Mapping[str, SecretBackend],
        masker: Masker,
        record_lease: Callable[[str, str, Lease], None],
    ) -> None:
        self._namespace = namespace
        self._backends = backends
        self._masker = masker
        self._record_lease = record_lease
        self._lock = threading.Lock()
        self._gates: dict[str, threading.Lock] = {}
        self._secrets: dict[str, Secret] = {}
        self.leased = False
        """Whether a lease was put on record."""

    def get(self, name: str, ctx: Context, *, fresh: bool = False) -> SecretStr:
        """Return the secret `path#field`. Raises SecretError when it cannot be had."""
        path, _, field = name.partition("#")
        secret = self._secret(path, ctx, fresh)
        field = field or (
            DEFAULT_FIELD if DEFAULT_FIELD in secret.fields or len(secret.fields) != 1 else next(iter(secret.fields))
        )
        value = secret.fields.get(field)
        if value is None:
            known = ", ".join(f"`{known}`" for known in sorted(secret.fields))
            raise SecretError(f"secret `{path}` has no field `{field}`", hint=f"it has {known or 'none'}")
        return value

    def _secret(self, path: str, ctx: Context, fresh: bool) -> Secret:
        with self._lock:
            gate = self._gates.setdefault(path, threading.Lock())
        with gate:
            if fresh or path not in self._secrets:
                self._secrets[path] = self._fetch(path, ctx)
            return self._secrets[path]

    def _fetch(self, path: str, ctx: Context) -> Secret:
        for name, backend in self._backends.items():
            try:
                secret = backend.get(path, ctx)
            except RotaError:
                raise
            except Exception as error:
                raise SecretError(
                    f"secret backend `{name}` failed: {type(error).__name__}: {error}", retryable=True
                ) from error
            if secret is not None:
                for value in secret.fields.values():
                    self._masker.add(value.get_secret_value())
                if secret.lease is not None:
                    # On record before anybody holds the secret: whoever comes after a crash can revoke it.
                    self.leased = True
                    self._put_on_record(name, backend, path, secret.lease)
                return secret
        asked = ", ".join(f"`{name}`" for name in self._backends)
        raise SecretError(
            f"there is no secret `{path}` for namespace `{self._namespace}`",
            hint=f"asked: {asked}"
            if asked
            else "no secret backend is open to this namespace: see `secrets` in rota.yaml",
        )

    def _put_on_record(self, name: str, backend: SecretBackend, path: str, lease: Lease) -> None:
        """Write the lease down; one that cannot be is revoked, for nobody would ever know of it."""
        try:
            self._record_lease(name, path, lease)
        except BaseException:
            with suppress(Exception):
                backend.revoke(lease)
            raise
