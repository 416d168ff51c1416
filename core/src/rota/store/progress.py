"""How far an execution is: what changed since a look, and how many of what are in which state."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from rota.store.tables import iterations, logs, task_runs

_t, _i, _l = task_runs.c, iterations.c, logs.c
_ID: sa.BindParameter[str] = sa.bindparam("execution_id")
_TASKS = sa.select(_t.node, _t.state, sa.func.count()).where(_t.execution_id == _ID).group_by(_t.node, _t.state)
_ITERATIONS = sa.select(_i.node, _i.state, sa.func.count()).where(_i.execution_id == _ID).group_by(_i.node, _i.state)
_ENDED = (
    sa.select(*(column for column in _i if column.name not in {"item", "collected"}))
    .where(_i.execution_id == _ID, _i.ended_at >= sa.bindparam("since"))
    .order_by(_i.ended_at, _i.path, _i.node, _i.idx)
    .limit(sa.bindparam("limit"))
)
_LAST_LINE = sa.select(sa.func.max(_l.id)).where(_l.execution_id == _ID)

Counts = dict[str, dict[str, int]]
"""State to number, by task or scope."""


def task_counts(conn: sa.Connection, execution_id: str) -> Counts:
    """Return how many runs of each task, over all frames, are in which state; `""` are the frames themselves."""
    return _counts(conn, _TASKS, execution_id)


def iteration_counts(conn: sa.Connection, execution_id: str) -> Counts:
    """Return how many iterations of each `foreach`, `fleet` and `repeat`, over all frames, are in which state."""
    return _counts(conn, _ITERATIONS, execution_id)


def ended_iterations(conn: sa.Connection, execution_id: str, since: float, limit: int = 1000) -> list[dict[str, Any]]:
    """Return up to `limit` iterations that ended at the time `since` or later, in order of their end."""
    found = conn.execute(_ENDED, {"execution_id": execution_id, "since": since, "limit": limit})
    return [row._asdict() for row in found]


def last_line(conn: sa.Connection, execution_id: str) -> int:
    """Return the id of the last log line, or 0."""
    return conn.execute(_LAST_LINE, {"execution_id": execution_id}).scalar() or 0


def _counts(conn: sa.Connection, statement: sa.Select[Any], execution_id: str) -> Counts:
    counts: Counts = {}
    for node, state, count in conn.execute(statement, {"execution_id": execution_id}):
        counts.setdefault(node, {})[state] = count
    return counts
