"""What the task types have in common: a client that the execution shares, and errors as tasks raise them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import Secret, SecretStr

from rota import Context, Task, TaskFailed
from rota_vault.connection_fields import ConnectionFields, connection_of

if TYPE_CHECKING:
    from rota_vault.client import VaultClient

Ask = Callable[..., dict[str, Any]]
"""`VaultClient.request`: method, path, body."""


class VaultTask(ConnectionFields, Task):
    """A task that asks Vault."""

    def ask(
        self, ctx: Context, method: str, path: str, body: dict[str, Any] | None = None, **more: Any
    ) -> dict[str, Any]:
        """Return Vault's answer. Raises TaskFailed, its `__cause__` the Problem with the status."""
        from rota_vault.client import VaultClient
        from rota_vault.problems import Problem

        connection = connection_of(self)
        opened: Callable[[], VaultClient] = lambda: VaultClient(connection)  # noqa: E731
        try:
            with ctx.client(("vault", connection), opened, VaultClient.close, shared=True) as client:
                return client.request(method, path, body, **more)
        except Problem as problem:
            raise TaskFailed(problem.message, problem.retryable, hint=problem.hint) from problem


def status_of(error: TaskFailed) -> int | None:
    """Return the status that Vault answered with, or None where it did not answer."""
    return getattr(error.__cause__, "status", None)


def secret_value(value: Any) -> Any:
    """Return a value of a secret so that it stays one."""
    return SecretStr(value) if isinstance(value, str) else Secret(value)
