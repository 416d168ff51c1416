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


@dataclass(slots=True)
class _Client:
    value: Any
    close: Callable[[Any], object]
    users: int = 0
    shared: bool = False
    broken: bool = False
    idle_since: float = field(default_factory=time.monotonic)

    def end(self) -> None:
        with suppress(Exception):  # a client that cannot even be closed is gone all the same
            self.close(self.value)


class ClientPool:
    """Clients by (owner, key): the owner is the frame path of a target, or "" for the whole execution."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, object], list[_Client]] = {}
        self._opening: dict[tuple[str, object], threading.Lock] = {}
        self._closed = False

    @contextmanager
    def lend(
        self, owner: str, key: object, open_client: Callable[[], T], close: Callable[[T], object], *, shared: bool
    ) -> Iterator[T]:
        """Lend a client for the `with` block; one that broke in it is closed and never lent again."""
        slot = (owner, key)
        client = self._take(slot) or self._open(slot, open_client, close, shared)
        try:
            yield client.value
        except BaseException as error:
            client.broken = client.broken or _is_broken(error)
            raise
        finally:
            self._give_back(slot, client)

    def close(self, owner: str | None = None) -> None:
        """Close the clients of `owner`, or all of them for good."""
        with self._lock:
            slots = [slot for slot in self._clients if owner is None or slot[0] == owner]
            gone = [client for slot in slots for client in self._clients.pop(slot)]
            self._closed = self._closed or owner is None
        for client in gone:
            client.end()

    def close_idle(self, seconds: float) -> None:
        """Close what nobody has used for `seconds`."""
        oldest = time.monotonic() - seconds
        gone: list[_Client] = []
        with self._lock:
            for slot, clients in list(self._clients.items()):
                idle = [client for client in clients if not client.users and client.idle_since < oldest]
                gone += idle
                self._clients[slot] = [client for client in clients if client not in idle]
                if not self._clients[slot]:
                    del self._clients[slot]
        for client in gone:
            client.end()

    def _take(self, slot: tuple[str, object]) -> _Client | None:
        with self._lock:
            for client in self._clients.get(slot, ()):
                if not client.broken and (client.shared or not client.users):
                    client.users += 1
                    return client
            return None

    def _open(
        self, slot: tuple[str, object], open_client: Callable[[], T], close: Callable[[T], object], shared: bool
    ) -> _Client:
        if not shared:
            return self._keep(slot, _Client(open_client(), close, users=1))
        with self._lock:
            gate = self._opening.setdefault(slot, threading.Lock())
        with gate:  # of many who ask at once for a shared client, one opens it
            return self._take(slot) or self._keep(slot, _Client(open_client(), close, users=1, shared=True))

    def _keep(self, slot: tuple[str, object], client: _Client) -> _Client:
        with self._lock:
            self._clients.setdefault(slot, []).append(client)
        return client

    def _give_back(self, slot: tuple[str, object], client: _Client) -> None:
        with self._lock:
            client.users -= 1
            client.idle_since = time.monotonic()
            drop = not client.users and (client.broken or self._closed)
            kept = self._clients.get(slot, [])
            if client.broken or self._closed:
                self._clients[slot] = [other for other in kept if other is not client]
        if drop:
            client.end()


def _is_broken(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, BROKEN):
            return True
        error = error.__cause__ or error.__context__
    return False
