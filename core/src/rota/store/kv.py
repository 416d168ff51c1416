"""The key-value store of namespaces, and the durable memory of task runs; values are JSON."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from rota.store.bulk import Bulk
from rota.store.tables import kv, task_state

_k, _s = kv.c, task_state.c
_SET = Bulk(kv, update=("value", "expires_at", "updated_at"))
_SET_STATE = Bulk(task_state, update=("value",))


def get(conn: sa.Connection, namespace: str, key: str, default: Any = None, *, at: float) -> Any:
    """Return the value of `key`, or `default` where there is none or, at the time `at`, it has expired."""
    statement = sa.select(_k.value).where(_k.namespace == namespace, _k.key == key, _living(at))
    row = conn.execute(statement).one_or_none()
    return default if row is None else row.value


def put(
    conn: sa.Connection, namespace: str, key: str, value: Any, *, at: float, expires_at: float | None = None
) -> None:
    """Store a value."""
    row = {"namespace": namespace, "key": key, "value": value, "expires_at": expires_at, "updated_at": at}
    _SET(conn, [row])


def delete(conn: sa.Connection, namespace: str, key: str, *, at: float) -> bool:
    """Remove a key; return whether it was there and had not expired."""
    statement = sa.delete(kv).where(_k.namespace == namespace, _k.key == key).returning(_k.expires_at)
    row = conn.execute(statement).one_or_none()
    return row is not None and (row.expires_at is None or row.expires_at > at)


def keys(conn: sa.Connection, namespace: str, prefix: str = "", *, at: float) -> list[str]:
    """Return the keys that start with `prefix`, sorted."""
    return [row["key"] for row in page(conn, namespace, prefix, at=at, limit=None)]


def page(
    conn: sa.Connection,
    namespace: str,
    prefix: str = "",
    *,
    at: float,
    after: str | None = None,
    limit: int | None = 200,
) -> list[dict[str, Any]]:
    """Return up to `limit` rows whose key starts with `prefix`, by key, after the key `after`."""
    statement = sa.select(kv).where(_k.namespace == namespace, _living(at)).order_by(_k.key).limit(limit)
    if prefix:
        statement = statement.where(_k.key >= prefix, _k.key < prefix + "\U0010ffff")
    if after is not None:
        statement = statement.where(_k.key > after)
    return [row._asdict() for row in conn.execute(statement)]


def remove_expired(conn: sa.Connection, at: float, limit: int = 500) -> int:
    """Remove up to `limit` expired keys; return how many."""
    old = sa.select(_k.namespace, _k.key).where(_k.expires_at <= at).limit(limit)
    return conn.execute(sa.delete(kv).where(sa.tuple_(_k.namespace, _k.key).in_(old))).rowcount


def task_values(conn: sa.Connection, execution_id: str, path: str, node: str) -> dict[str, Any]:
    """Return the durable memory of a task run."""
    statement = sa.select(_s.key, _s.value).where(_s.execution_id == execution_id, _s.path == path, _s.node == node)
    return dict(conn.execute(statement).all())


def set_task_value(conn: sa.Connection, execution_id: str, path: str, node: str, key: str, value: Any) -> None:
    """Store a value in the durable memory of a task run."""
    _SET_STATE(conn, [{"execution_id": execution_id, "path": path, "node": node, "key": key, "value": value}])


def delete_task_value(conn: sa.Connection, execution_id: str, path: str, node: str, key: str) -> bool:
    """Remove a value from the durable memory of a task run; return whether it was there."""
    statement = sa.delete(task_state).where(
        _s.execution_id == execution_id, _s.path == path, _s.node == node, _s.key == key
    )
    return conn.execute(statement).rowcount > 0


def _living(at: float) -> sa.ColumnElement[bool]:
    return sa.or_(_k.expires_at.is_(None), _k.expires_at > at)
