"""Keys and values of namespaces, and locks, as the facade offers them."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rota.errors import NotFound
from rota.store import kv, locks

if TYPE_CHECKING:
    from rota.server.application import Application

Row = dict[str, Any]
Rows = list[Row]


class Values:
    """The key-value stores."""

    def __init__(self, app: Application) -> None:
        self._app = app

    def get(self, namespace: str, key: str) -> Any:
        """Return the value of a key. Raises NotFound."""
        missing = object()
        with self._app.store.read() as conn:
            found = kv.get(conn, namespace, key, missing, at=time.time())
        if found is missing:
            raise NotFound(f"there is no key `{key}` in namespace `{namespace}`", hint="`rota kv list` shows them")
        return found

    def set(self, namespace: str, key: str, value: Any, *, ttl: timedelta | None = None) -> None:
        """Store a JSON value, for `ttl` or for good."""
        now = time.time()
        with self._app.writable.write() as conn:
            expires = None if ttl is None else now + ttl.total_seconds()
            kv.put(conn, namespace, key, value, at=now, expires_at=expires)

    def delete(self, namespace: str, key: str) -> None:
        """Remove a key. Raises NotFound."""
        with self._app.writable.write() as conn:
            if not kv.delete(conn, namespace, key, at=time.time()):
                raise NotFound(f"there is no key `{key}` in namespace `{namespace}`")

    def list(self, namespace: str, prefix: str = "") -> Rows:
        """Return the rows of a namespace: `key, value, expires_at, updated_at`."""
        with self._app.store.read() as conn:
            return kv.page(conn, namespace, prefix, at=time.time(), limit=None)


class Locks:
    """Who holds what, and who waits."""

    def __init__(self, app: Application) -> None:
        self._app = app

    def list(self, key: str | None = None) -> Rows:
        """Return the requests for locks, held or waiting, by key and in order of asking."""
        with self._app.store.read() as conn:
            return locks.page(conn, key=key, limit=10_000)

    def release(self, id: int) -> None:
        """Take a lock away from its holder by hand, and give it to the next. Raises NotFound."""
        from rota.store import commands

        with self._app.writable.write() as conn:
            if not any(row["id"] == id for row in locks.page(conn, limit=1_000_000)):
                raise NotFound(f"there is no lock request {id}", hint="`rota locks list` shows them")
            for row in locks.release_ids(conn, [id], at=time.time()):
                payload = {"path": row["path"], "node": row["node"], "idx": row["idx"]}
                commands.add(conn, row["execution_id"], "lock_granted", payload, at=time.time())
            self._app.store.notify(conn, "commands")
