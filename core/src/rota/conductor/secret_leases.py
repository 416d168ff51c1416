"""Keeps the leases of secrets: renewed while their execution runs, revoked at its end, by an adopter too."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rota.errors import RotaError
from rota.extensions import Lease
from rota.store import Connection, conditions, leases

if TYPE_CHECKING:
    from rota.conductor.conductor import Conductor
    from rota.extensions import SecretBackend

logger = logging.getLogger("rota.conductor")

Row = dict[str, Any]
PATIENCE = 15.0
"""Seconds that a conductor which stops waits for leases to be revoked; what is left then, others revoke."""


class SecretLeases:
    """Asks backends off the conductor's thread, and writes down what became of each lease."""

    def __init__(self, conductor: Conductor) -> None:
        self._conductor = conductor
        self._threads: set[threading.Thread] = set()

    def look(self, now: float) -> None:
        """Renew what ends soon, and revoke what belongs to executions that are over, whoever ran them."""
        own = self._conductor
        soon = now + max(30.0, 3 * own.ownership.lease)
        ending = own.ownership.read(lambda conn: leases.expiring(conn, own.id, soon))
        over = own.ownership.read(leases.left_over)
        if ending:
            self._in_background(lambda: self._each(ending, self._renew))
        if over:
            self._in_background(lambda: self._each(over, self._revoke))

    def revoke(self, execution_id: str) -> None:
        """Revoke the leases of an execution that has ended."""
        rows = self._conductor.ownership.read(lambda conn: leases.active_of(conn, execution_id))
        if rows:
            self._in_background(lambda: self._each(rows, self._revoke))

    def close(self) -> None:
        """Wait a while for what is under way; the conductor must still turn."""
        until = time.monotonic() + PATIENCE
        for thread in tuple(self._threads):
            thread.join(max(0.0, until - time.monotonic()))

    def _each(self, rows: list[Row], do: Callable[[Row, SecretBackend], None]) -> None:
        for row in rows:
            try:
                do(row, self._conductor.resources.secret_backends[row["backend"]])
            except Exception as error:  # noqa: BLE001 - a backend may raise anything; the others go on
                logger.warning("the lease of secret `%s` is not kept: %s", row["path"], error)
                self._tell(row["path"], str(error))

    def _tell(self, path: str, why: str) -> None:
        """Have people told; whether that can be written down right now is not ours to wait for."""
        message = f"the lease of secret `{path}` is not kept\n{why}"

        def write(conn: Connection) -> None:
            conditions.raise_(conn, "secret", f"lease {path}", message, at=time.time(), momentary=True)

        with suppress(RotaError):
            self._conductor.submit(write)

    def _renew(self, row: Row, backend: SecretBackend) -> None:
        own = self._conductor
        renewed = backend.renew(self._lease(row))
        text = own.resources.keyring.encrypt(lease_values(renewed))
        ends = time.time() + renewed.duration.total_seconds()
        own.submit(lambda conn: leases.renewed(conn, row["id"], text, ends))

    def _revoke(self, row: Row, backend: SecretBackend) -> None:
        backend.revoke(self._lease(row))
        self._conductor.submit(lambda conn: leases.ended(conn, row["id"]))

    def _lease(self, row: Row) -> Lease:
        found = self._conductor.resources.keyring.decrypt(row["lease"])
        return Lease(found["id"], timedelta(seconds=found["duration"]), found["renewable"])

    def _in_background(self, do: Callable[[], None]) -> None:
        def run() -> None:
            try:
                do()
            finally:
                self._threads.discard(thread)

        thread = threading.Thread(target=run, name="rota-leases", daemon=True)
        self._threads.add(thread)
        thread.start()


def lease_values(lease: Lease) -> dict[str, Any]:
    """Return a lease as JSON values, to be encrypted for the store."""
    return {"id": lease.id, "duration": lease.duration.total_seconds(), "renewable": lease.renewable}
