"""Who owns what: the lease of one conductor, checked by each of its transactions."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from rota.errors import RotaError, StoreBusy, StoreError, StoreFull, StoreReadOnly
from rota.store import Connection, conductors

if TYPE_CHECKING:
    from rota.store import Store
    from rota.store.presence import Presence

logger = logging.getLogger("rota.conductor")


class LeaseLost(RotaError):
    """Another server has adopted what was this conductor's: nothing of it counts any more."""


class Ownership:
    """The conductor's row: registered, renewed while its loop turns, checked with every commit."""

    def __init__(self, store: Store, id: str, lease: float) -> None:
        self.id = id
        self.epoch = 1
        self.batch = 0
        self.lease = lease
        self.margin = lease / 5
        self._store = store
        self._presence: Presence | None = None
        self._until = 0.0
        self._renew_at = 0.0
        self._news = True

    def register(self, *, serving: bool = False) -> None:
        """Make the row; `serving`: it is a server's. Raises StoreError."""
        import rota

        asked = time.monotonic()
        self._presence = conductors.register(
            self._store,
            self.id,
            host=socket.gethostname(),
            pid=os.getpid(),
            process_start=time.time(),
            version=rota.__version__,
            ttl=self.lease,
            serving=serving,
        )
        self._renewed(asked)

    def may_start(self) -> bool:
        """Whether enough of the lease is left to start a task; asked by workers right before they do."""
        return self._presence is not None or time.monotonic() < self._until - self.margin

    def commit(self, write: Callable[[Connection], object]) -> None:
        """Write in a transaction of this conductor. Raises LeaseLost, StoreError.

        After a COMMIT whose outcome is not known, it looks whether the batch is there before it fails.
        """
        self.batch += 1
        try:
            with self._store.write() as conn:
                if not conductors.check(conn, self.id, self.epoch, self.batch):
                    raise LeaseLost("another server has taken over: the lease was lost")
                write(conn)
        except StoreError as error:
            if getattr(error, "doubtful", False) and self._is_there():
                return
            self.batch -= 1
            raise

    def _is_there(self) -> bool:
        try:
            with self._store.read() as conn:
                return conductors.standing(conn, self.id) == (self.epoch, self.batch)
        except StoreError:
            return False

    def retryable(self, error: StoreError) -> bool:
        """Whether the same transaction may succeed later."""
        return isinstance(error, (StoreBusy, StoreFull, StoreReadOnly)) or bool(getattr(error, "doubtful", False))

    def due(self, now: float) -> bool:
        """Whether it is time to renew."""
        return time.monotonic() >= self._renew_at

    def renew(self) -> None:
        """Renew the lease; raises LeaseLost when it is gone."""
        asked = time.monotonic()
        try:
            with self._store.write() as conn:
                renewal = conductors.renew(conn, self.id, self.epoch, self.lease)
        except StoreError as error:
            self.complain(error)
            self._renew_at = asked + self.lease / 10
            return
        if renewal is None:
            raise LeaseLost("another server has taken over: the lease was lost")
        self._news = self._news or bool(renewal.commands) or renewal.unowned
        self._renewed(asked)

    def news(self) -> bool:
        """Whether somebody else has written since this was last asked."""
        found, self._news = self._news, False
        try:
            return self._store.changed() or found
        except StoreError as error:
            self.complain(error)
            return False

    def leave(self) -> None:
        """Hand over what is left, and go."""
        try:
            with self._store.write() as conn:
                conductors.leave(conn, self.id)
        except StoreError as error:
            self.complain(error)
        if self._presence is not None:
            self._presence.release()
            self._presence = None

    def complain(self, error: BaseException) -> None:
        """Say on the server's log what the store refused."""
        logger.warning("the store refused: %s", error)

    def report(self, message: str) -> None:
        """Say on the server's log what people must know."""
        logger.error("%s", message)

    def _renewed(self, asked: float) -> None:
        self._until = asked + self.lease
        self._renew_at = asked + self.lease / 3
