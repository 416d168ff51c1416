"""Who owns what: the lease of one conductor, checked by each of its transactions."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from rota.conductor.places import free_left_over
from rota.errors import RotaError, StoreBusy, StoreError, StoreFull, StoreReadOnly
from rota.store import Connection, conductors, failpoints

if TYPE_CHECKING:
    from rota.store import Store
    from rota.store.presence import Presence

T = TypeVar("T")

logger = logging.getLogger("rota.conductor")
MARGIN = 5
"""How many margins a lease has: what clocks and slow machines may be wrong by."""
LONGEST_WAIT = 2.0
"""Seconds between two tries while the store refuses."""
SAY_AGAIN = 30.0
"""Seconds after which a store that still refuses is complained of again."""


class LeaseLost(RotaError):
    """Another server has adopted what was this conductor's: nothing of it counts any more."""

    def __init__(
        self,
        message: str = "another server has taken over what ran here: this one was silent for longer than its `lease`",
        *,
        hint: str = "start it again; if it was only slow, set a longer `lease`",
    ) -> None:
        super().__init__(message, hint=hint)


class StoreWentBack(LeaseLost):
    """The store lacks what it had taken from this conductor: to go on from what is in memory would be wrong."""

    def __init__(self) -> None:
        super().__init__(
            "the database has lost what it had taken: it was restored, or another took its place that had not got all",
            hint="start the server again: it goes on from what the database has",
        )


class Ownership:
    """The conductor's row: registered, renewed while its loop turns, checked with every commit."""

    def __init__(self, store: Store, id: str, lease: float) -> None:
        self.id = id
        self.epoch = 1
        self.batch = 0
        self.lease = lease
        self.margin = lease / MARGIN
        self.closing = threading.Event()
        """Set when nobody waits any more for a store that refuses."""
        self._store = store
        self._presence: Presence | None = None
        self._until = 0.0
        self._renew_at = 0.0
        self._news = True
        self._refused_since: float | None = None
        self.tried_at = 0.0
        """When the store refused last, on the monotonic clock."""
        self._complained = 0.0
        self._complaint: type[BaseException] | None = None

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

    @property
    def by_presence(self) -> bool:
        """Whether the kernel frees the lease at death (SQLite), and no clock does."""
        return self._presence is not None

    def left(self) -> float:
        """Return how many seconds of the lease are left, on the monotonic clock; it may be below zero."""
        return float("inf") if self._presence is not None else self._until - time.monotonic()

    def may_start(self) -> bool:
        """Whether enough of the lease is left to start a task; asked by workers right before they do."""
        return self.left() > self.margin

    # --- writing and reading

    def commit(self, write: Callable[[Connection], object]) -> None:
        """Write in a transaction of this conductor; while the store is busy, full, read-only or away, try again.

        After a COMMIT whose outcome is not known it looks before it repeats. Raises LeaseLost, and the StoreError (or
        whatever `write` raises) that trying again does not mend; nothing has been written then.
        """
        self.batch += 1
        doubtful, wait = False, 0.02
        while True:
            try:
                self._write(write)
            except StoreError as error:
                doubtful = doubtful or error.doubtful
                if not (doubtful or mended_by_waiting(error)):
                    self.batch -= 1
                    raise
                wait = self._bear(error, wait)
            except BaseException:
                self.batch -= 1
                raise
            else:
                self._refused_since = None
                return

    def _write(self, write: Callable[[Connection], object]) -> None:
        with self._store.write() as conn:
            # It waits for the row: a COMMIT of an earlier try that is still on its way is over then.
            if not conductors.check(conn, self.id, self.epoch, self.batch, patience=self.lease):
                found = conductors.standing(conn, self.id)
                if found == (self.epoch, self.batch):
                    return  # an earlier try was committed, whatever its error said
                # Adopters raise the epoch, and may remove the row.
                raise StoreWentBack if found is not None and found[0] == self.epoch else LeaseLost
            write(conn)
            failpoints.hit_commit(conn)

    def read(self, query: Callable[[Connection], T]) -> T:
        """Return what `query` finds; as long as the store is away, wait for it. Raises StoreError for all else."""
        wait = 0.02
        while True:
            try:
                with self._store.read() as conn:
                    found = query(conn)
            except StoreError as error:
                if not mended_by_waiting(error):
                    raise
                wait = self._bear(error, wait)
            else:
                return found

    def _bear(self, error: StoreError, wait: float) -> float:
        """Wait before another try and return how long to wait the next time; raises `error` when we are closing."""
        self.complain(error)
        if self.closing.wait(wait):
            raise error
        return min(wait * 2, LONGEST_WAIT)

    # --- the lease

    def due(self) -> bool:
        """Whether it is time to renew."""
        return time.monotonic() >= self._renew_at

    def renew(self) -> None:
        """Renew the lease. Raises LeaseLost when it is gone."""
        asked = time.monotonic()
        opened = self._store.read if self._presence is not None else self._store.write
        try:
            with opened() as conn:
                renewal = conductors.renew(conn, self.id, self.epoch, self.lease)
        except StoreError as error:
            self.complain(error)
            self._renew_at = asked + self.lease / 10
            return
        if renewal is None:
            raise LeaseLost
        self._news = self._news or bool(renewal.commands) or renewal.unowned
        self._renewed(asked)

    def news(self) -> bool:
        """Whether somebody else has written since this was last asked."""
        found, self._news = self._news, False
        try:
            return self._store.changed() or found
        except StoreError as error:
            self._news = found
            self.complain(error)
            return False

    def look_again(self) -> None:
        """Have `news` say yes the next time."""
        self._news = True

    def leave(self) -> None:
        """Hand over what is left, and go."""
        try:
            with self._store.write() as conn:
                free_left_over(conn, self._store, self.id)
                conductors.leave(conn, self.id)
                self._store.notify(conn, "executions")
        except StoreError as error:
            self.complain(error)
        if self._presence is not None:
            self._presence.release()
            self._presence = None

    @property
    def refused(self) -> bool:
        """Whether the store has refused since it last worked."""
        return self._refused_since is not None

    # --- saying

    def complain(self, error: BaseException) -> None:
        """Say on the server's log what the store refused; the same not again before a while."""
        now = self.tried_at = time.monotonic()
        new = self._refused_since is None or type(error) is not self._complaint
        if new or now > self._complained + SAY_AGAIN:
            self._complained, self._complaint = now, type(error)
            logger.warning("the store refused, nothing starts until it works again: %s", error)
        self._refused_since = self._refused_since or now

    def report(self, message: str) -> None:
        """Say on the server's log what people must know."""
        logger.error("%s", message)

    def _renewed(self, asked: float) -> None:
        self._until = asked + self.lease
        self._renew_at = asked + self.lease / 3
        self._refused_since = None


def mended_by_waiting(error: BaseException) -> bool:
    """Whether the same may succeed later."""
    return isinstance(error, (StoreBusy, StoreFull, StoreReadOnly)) or bool(getattr(error, "doubtful", False))
