"""Timers: waits as absolute times, so that they survive a crash."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from rota.store.bulk import Bulk, Row
from rota.store.tables import timers

_t = timers.c
_KEY = ("execution_id", "path", "node", "name")
_SAVE = Bulk(timers, update=("due_at",))
_CLEAR = sa.delete(timers).where(*(_t[name] == sa.bindparam(f"b_{name}") for name in _KEY))
_DUE = sa.select(timers).where(_t.execution_id == sa.bindparam("execution_id")).order_by(_t.due_at)


def save(conn: sa.Connection, rows: Sequence[Row]) -> None:
    """Set timers: `execution_id, path, node, name, due_at`; one that is there is moved."""
    _SAVE(conn, rows)


def clear(conn: sa.Connection, rows: Iterable[Row]) -> None:
    """Forget timers: `execution_id, path, node, name`; one that is not there is no error."""
    if keys := [{f"b_{name}": row[name] for name in _KEY} for row in rows]:
        conn.execute(_CLEAR, keys)


def clear_all(conn: sa.Connection, ids: Sequence[str]) -> None:
    """Forget all timers of executions."""
    conn.execute(sa.delete(timers).where(_t.execution_id.in_(ids)))


def of_execution(conn: sa.Connection, execution_id: str) -> list[dict[str, Any]]:
    """Return the timers of an execution, the first due first."""
    return [row._asdict() for row in conn.execute(_DUE, {"execution_id": execution_id})]
