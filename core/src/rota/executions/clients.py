"""Live clients of an execution: opened once, lent to one task at a time, closed when nobody needs them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

BROKEN = (ConnectionError, EOFError, TimeoutError)
"""What says that a client's connection is gone; a plugin's own errors count by their cause, too."""


@dataclass(slots=True, eq=False)
class _Client:
    value: Any
    close: Callable[[Any], object]
    shared: bool
    owners: set[str]
    """Those whose tasks have used it: it is closed with the last of them."""
    users: int = 0
    gone: bool = False
    """It is lent to nobody any more, and closed when its last user gives it back."""
    idle_since: float = field(default_factory=time.monotonic)

    def end(self) -> None:
        with suppress(Exception):  # a client that cannot even be closed is gone all the same
            self.close(self.value)


class ClientPool:
    """The clients of one execution by key. An owner is the frame path of a target, or "" for the execution itself.

    A client that is not shared belongs to the owner that opened it; a shared one is lent to all, and lives as long as
    any owner that has used it. Nothing is closed while the pool's lock is held: closing may take its time.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: dict[object, list[_Client]] = {}
        self._opening: dict[object, threading.Lock] = {}
        self._closed = False

    @contextmanager
    def lend(
        self, owner: str, key: object, open_client: Callable[[], T], close: Callable[[T], object], *, shared: bool
    ) -> Iterator[T]:
        """Lend a client for the `with` block; one that broke in it is closed and never lent again."""
        client = self._take(owner, key, shared=shared) or self._open(owner, key, open_client, close, shared=shared)
        broken = False
        try:
            yield client.value
        except BaseException as error:
            broken = _is_broken(error)
            raise
        finally:
            self._give_back(key, client, broken=broken)

    def close(self, owner: str | None = None) -> None:
        """Close what `owner` alone has used, or everything for good; what is in use is closed with its use."""
        for client in self.take_out(owner):
            client.end()

    def take_out(self, owner: str | None = None) -> list[_Client]:
        """Return what `close` would close, for somebody to `end` it; the pool knows it no more."""
        with self._lock:
            if owner is None:
                self._closed = True
            elif not self._clients:
                return []
            gone = []
            for client in [client for clients in self._clients.values() for client in clients]:
                client.owners.discard(owner or "")
                client.gone = client.gone or owner is None or not client.owners
                if client.gone and not client.users:
                    gone.append(client)
            self._forget_gone()
            return gone

    def take_idle(self, seconds: float) -> list[_Client]:
        """Return what nobody has used for `seconds`, for somebody to close; the pool knows it no more."""
        if not self._clients:
            return []
        oldest = time.monotonic() - seconds
        with self._lock:
            idle = [
                client
                for clients in self._clients.values()
                for client in clients
                if not client.users and client.idle_since <= oldest
            ]
            for client in idle:
                client.gone = True
            self._forget_gone()
        return idle

    def _forget_gone(self) -> None:
        for key, clients in list(self._clients.items()):
            kept = [client for client in clients if not client.gone]
            if kept:
                self._clients[key] = kept
            else:
                del self._clients[key]

    def _take(self, owner: str, key: object, *, shared: bool) -> _Client | None:
        with self._lock:
            for client in self._clients.get(key, ()):
                if client.shared is shared and (shared or (not client.users and owner in client.owners)):
                    client.users += 1
                    client.owners.add(owner)
                    return client
            return None

    def _open(
        self,
        owner: str,
        key: object,
        open_client: Callable[[], Any],
        close: Callable[[Any], object],
        *,
        shared: bool,
    ) -> _Client:
        if not shared:
            return self._keep(key, _Client(open_client(), close, shared, {owner}, users=1))
        with self._lock:
            gate = self._opening.setdefault(key, threading.Lock())
        with gate:  # of many who ask at once for a shared client, one opens it
            found = self._take(owner, key, shared=True)
            return found or self._keep(key, _Client(open_client(), close, shared, {owner}, users=1))

    def _keep(self, key: object, client: _Client) -> _Client:
        with self._lock:
            if self._closed:
                client.gone = True
            else:
                self._clients.setdefault(key, []).append(client)
        return client

    def _give_back(self, key: object, client: _Client, *, broken: bool) -> None:
        with self._lock:
            client.users -= 1
            client.idle_since = time.monotonic()
            if broken and not client.gone:
                client.gone = True
                self._forget_gone()
            drop = client.gone and not client.users
        if drop:
            client.end()


def close_clients(clients: list[_Client]) -> None:
    """Close clients that were taken out of their pool, on a thread of their own: it may take its time."""
    if clients:
        end = [client.end for client in clients]
        threading.Thread(target=lambda: [do() for do in end], name="rota-clients", daemon=True).start()


def _is_broken(error: BaseException | None) -> bool:
    known: set[int] = set()
    while error is not None and id(error) not in known:
        known.add(id(error))
        if isinstance(error, BROKEN):
            return True
        error = error.__cause__ or error.__context__
    return False
