"""Iterations: the frozen items and targets of `foreach` and `fleet`, and how each ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from rota.store.bulk import Bulk, Row
from rota.store.tables import iterations

_i = iterations.c
_KEY = ("execution_id", "path", "node", "idx")
_ENDS = ("state", "problem", "collected", "started_at", "ended_at")
_INSERT = Bulk(iterations, columns=(*_KEY, "key", "item", "lock_key", *_ENDS))
# An upsert, although the row is there: it goes by the key, whatever PostgreSQL's planner thinks of a new table.
_SAVE = Bulk(iterations, columns=(*_KEY, "key", *_ENDS), update=_ENDS)
_NODE = (
    _i.execution_id == sa.bindparam("execution_id"),
    _i.path == sa.bindparam("path"),
    _i.node == sa.bindparam("node"),
)
_GET = sa.select(iterations).where(*_NODE, _i.idx == sa.bindparam("idx"))
_DONE = ("success", "warning", "skipped")
_UNDONE = sa.select(_i.idx).where(*_NODE, _i.state.not_in(_DONE)).order_by(_i.idx)
_COLLECTED = sa.select(sa.func.sum(sa.func.length(sa.type_coerce(_i.collected, sa.Text)))).where(*_NODE)
_COUNTS = sa.select(_i.state, sa.func.count()).where(*_NODE).group_by(_i.state)


def insert_many(conn: sa.Connection, rows: Iterable[Row]) -> None:
    """Freeze the iterations of a scope: `execution_id, path, node, idx, key`, and `item`, `lock_key` if any."""
    empty = {"item": None, "lock_key": None, "state": "created", **dict.fromkeys(_ENDS[1:])}
    _INSERT(conn, [{**empty, **row} for row in rows])


def save_ends(conn: sa.Connection, rows: Sequence[Row]) -> None:
    """Set `state, problem, collected, started_at, ended_at` of many iterations: at their start, end and restart.

    Each row has its `key`, too.
    """
    _SAVE(conn, rows)


def get(conn: sa.Connection, execution_id: str, path: str, node: str, idx: int) -> dict[str, Any] | None:
    """Return one iteration, or None."""
    row = conn.execute(_GET, {"execution_id": execution_id, "path": path, "node": node, "idx": idx}).one_or_none()
    return None if row is None else row._asdict()


def page(
    conn: sa.Connection,
    execution_id: str,
    path: str,
    node: str,
    *,
    states: Iterable[str] = (),
    after: int = -1,
    limit: int | None = 500,
    items: bool = True,
) -> list[dict[str, Any]]:
    """Return up to `limit` iterations of a scope after the index `after`, in order; without their items if so asked."""
    columns = [column for column in _i if items or column.name != "item"]
    statement = sa.select(*columns).where(*_NODE, _i.idx > after).order_by(_i.idx).limit(limit)
    if wanted := tuple(states):
        statement = statement.where(_i.state.in_(wanted))
    found = conn.execute(statement, {"execution_id": execution_id, "path": path, "node": node})
    return [row._asdict() for row in found]


def counts(conn: sa.Connection, execution_id: str, path: str, node: str) -> dict[str, int]:
    """Return how many iterations of a scope are in which state."""
    found = conn.execute(_COUNTS, {"execution_id": execution_id, "path": path, "node": node})
    return dict(found.all())


def collected_size(conn: sa.Connection, execution_id: str, path: str, node: str) -> int:
    """Return how many characters of JSON the columns of a scope's iterations have in all."""
    found = conn.execute(_COLLECTED, {"execution_id": execution_id, "path": path, "node": node})
    return int(found.scalar() or 0)


def undone(conn: sa.Connection, execution_id: str, path: str, node: str) -> list[list[int]]:
    """Return the ranges `[first, last]` of iterations that did not succeed, in order: what a restart runs."""
    ranges: list[list[int]] = []
    for idx in conn.scalars(_UNDONE, {"execution_id": execution_id, "path": path, "node": node}):
        if ranges and ranges[-1][1] == idx - 1:
            ranges[-1][1] = idx
        else:
            ranges.append([idx, idx])
    return ranges


def indexes(conn: sa.Connection, execution_id: str, path: str, node: str, keys: Sequence[str]) -> dict[str, int]:
    """Return the indexes of the iterations named by `keys`; an unknown key is left out."""
    statement = sa.select(_i.key, _i.idx).where(*_NODE, _i.key.in_(keys))
    found = conn.execute(statement, {"execution_id": execution_id, "path": path, "node": node})
    return dict(found.all())


def keys(conn: sa.Connection, execution_id: str, path: str, node: str) -> list[tuple[int, str, str | None]]:
    """Return `(index, key, lock key)` of every iteration of a scope, in order."""
    statement = sa.select(_i.idx, _i.key, _i.lock_key).where(*_NODE).order_by(_i.idx)
    found = conn.execute(statement, {"execution_id": execution_id, "path": path, "node": node})
    return [(idx, key, lock) for idx, key, lock in found]


def remove(conn: sa.Connection, execution_id: str, path: str, node: str) -> None:
    """Forget the iterations of a scope: it starts from its top, with a list of its own."""
    conn.execute(sa.delete(iterations).where(*_NODE), {"execution_id": execution_id, "path": path, "node": node})
