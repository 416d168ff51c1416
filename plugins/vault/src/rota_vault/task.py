"""What the task types have in common: a client that the execution shares, and errors as tasks raise them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
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
                return unless_cancelled(ctx, lambda: client.request(method, path, body, **more))
        except Problem as problem:
            raise TaskFailed(problem.message, problem.retryable, hint=problem.hint) from problem


def unless_cancelled(ctx: Context, ask: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return what `ask` returns, or raise what it raises; once the task is cancelled, raise TaskFailed at once.

    Nobody waits for the answer then: it ends on a thread of its own, by `operation_timeout` at the latest.
    """
    over = threading.Event()
    answers: Future[dict[str, Any]] = Future()

    def work() -> None:
        try:
            answers.set_result(ask())
        except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
            answers.set_exception(error)
        over.set()

    ctx.on_cancel(over.set)
    threading.Thread(target=work, name="rota-vault-request", daemon=True).start()
    over.wait()
    if not answers.done():
        raise TaskFailed("it was cancelled")
    return answers.result()


def status_of(error: TaskFailed) -> int | None:
    """Return the status that Vault answered with, or None where it did not answer."""
    return getattr(error.__cause__, "status", None)


def secret_value(value: Any) -> Any:
    """Return a value of a secret so that it stays one."""
    return SecretStr(value) if isinstance(value, str) else Secret(value)
