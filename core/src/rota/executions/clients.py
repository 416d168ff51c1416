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
    key: object
    value: Any
    close: Callable[[Any], object]
    shared: bool
    owners: set[str] = field(default_factory=set)
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
        self._owned: dict[str, dict[_Client, None]] = {}
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
            self._give_back(client, broken=broken)

    def close(self, owner: str | None = None) -> None:
        """Close what `owner` alone has used, or everything for good; what is in use is closed with its use."""
        for client in self.take_out(owner):
            client.end()

    def take_out(self, owner: str | None = None) -> list[_Client]:
        """Return what `close` would close, for somebody to `end` it; the pool knows it no more."""
        with self._lock:
            if owner is None:
                self._closed = True
                left = [client for clients in self._clients.values() for client in clients]
            else:
                used = self._owned.pop(owner, {})
                for client in used:
                    client.owners.discard(owner)
                left = [client for client in used if not client.owners]
            for client in left:
                self._forget(client)
            return [client for client in left if not client.users]

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
                self._forget(client)
        return idle

    def _forget(self, client: _Client) -> None:
        client.gone = True
        same = self._clients[client.key]
        same.remove(client)
        if not same:
            del self._clients[client.key]
        for owner in client.owners & self._owned.keys():
            self._owned[owner].pop(client, None)

    def _own(self, owner: str, client: _Client) -> None:
        client.owners.add(owner)
        self._owned.setdefault(owner, {})[client] = None

    def _take(self, owner: str, key: object, *, shared: bool) -> _Client | None:
        with self._lock:
            for client in self._clients.get(key, ()):
                if client.shared is shared and (shared or (not client.users and owner in client.owners)):
                    client.users += 1
                    self._own(owner, client)
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
            return self._keep(owner, _Client(key, open_client(), close, shared, users=1))
        with self._lock:
            gate = self._opening.setdefault(key, threading.Lock())
        with gate:  # of many who ask at once for a shared client, one opens it
            found = self._take(owner, key, shared=True)
            return found or self._keep(owner, _Client(key, open_client(), close, shared, users=1))

    def _keep(self, owner: str, client: _Client) -> _Client:
        with self._lock:
            if self._closed:
                client.gone = True
            else:
                self._clients.setdefault(client.key, []).append(client)
                self._own(owner, client)
        return client

    def _give_back(self, client: _Client, *, broken: bool) -> None:
        with self._lock:
            client.users -= 1
            client.idle_since = time.monotonic()
            if broken and not client.gone:
                self._forget(client)
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
