"""Incidents: what people are told about, one open one per rule, kind and key, however often it happens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from rota.store.bulk import Bulk, BulkUpdate, Row
from rota.store.executions import within
from rota.store.tables import executions, incidents, iterations

_i, _e, _t = incidents.c, executions.c, iterations.c
_SAVE = Bulk(incidents, update=[name for name in incidents.c.keys() if name != "id"])  # noqa: SIM118 - no mapping
_MARK = BulkUpdate(incidents, key=("id",), values=("pending", "due_at", "told", "told_closed", "silence_id"))
_TOLD_OF = (
    _e.id,
    _e.namespace,
    _e.flow,
    _e.revision_id,
    _e.state,
    _e.run,
    _e.mode,
    _e.root_id,
    _e.place_key,
    _e.labels,
    _e.problem,
    _e.started_at,
    _e.ended_at,
)
_FAILED = ("failed", "lost")


def save(conn: sa.Connection, rows: Sequence[Row]) -> None:
    """Insert incidents, or change them; every row has all columns."""
    _SAVE(conn, rows)


def mark(conn: sa.Connection, rows: Sequence[Row]) -> None:
    """Set `pending, due_at, told, told_closed, silence_id` of incidents; every row has all, and `id`."""
    _MARK(conn, rows)


def alive(conn: sa.Connection) -> list[dict[str, Any]]:
    """Return the incidents that are open, or that people are still to be told of, oldest first."""
    statement = sa.select(incidents).where(sa.or_(_i.closed_at.is_(None), _i.pending.is_not(None)))
    return [row._asdict() for row in conn.execute(statement.order_by(_i.opened_at, _i.id))]


def get(conn: sa.Connection, incident_id: str) -> dict[str, Any] | None:
    """Return one incident, or None."""
    row = conn.execute(sa.select(incidents).where(_i.id == incident_id)).one_or_none()
    return None if row is None else row._asdict()


def starting_with(conn: sa.Connection, prefix: str, limit: int = 2) -> list[str]:
    """Return at most `limit` ids that start with `prefix`, which a person may have shortened."""
    statement = sa.select(_i.id).where(_i.id >= prefix, _i.id < prefix + "\U0010ffff").order_by(_i.id).limit(limit)
    return list(conn.scalars(statement))


def page(
    conn: sa.Connection,
    *,
    namespace: str | None = None,
    flow: str | None = None,
    kind: str | None = None,
    rule: str | None = None,
    open_only: bool = False,
    messages: Sequence[str] | None = None,
    limit: int = 50,
) -> list[dict[str, Any]]:
    """Return up to `limit` incidents, newest first; of a namespace with its children unless a `flow` is named.

    With `messages`, those that one of these messages told of.
    """
    statement = sa.select(incidents).order_by(_i.opened_at.desc(), _i.id.desc()).limit(limit)
    if namespace is not None:
        inside = within(_i.namespace, namespace) if flow is None else _i.namespace == namespace
        statement = statement.where(inside)
    for column, wanted in ((_i.flow, flow), (_i.kind, kind), (_i.rule, rule)):
        if wanted is not None:
            statement = statement.where(column == wanted)
    if open_only:
        statement = statement.where(_i.closed_at.is_(None))
    if messages is not None:
        statement = statement.where(sa.or_(_i.told.in_(messages), _i.told_closed.in_(messages)))
    return [row._asdict() for row in conn.execute(statement)]


def executions_told_of(conn: sa.Connection, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return what alerts say of executions, by id; those that are gone are left out."""
    statement = sa.select(*_TOLD_OF).where(_e.id.in_(ids))
    return {row.id: row._asdict() for row in conn.execute(statement)}


def failed_targets(conn: sa.Connection, execution_id: str, limit: int = 20) -> tuple[list[str], int, int]:
    """Return the keys of the first failed iterations of an execution, how many failed, and of how many."""
    mine = _t.execution_id == execution_id
    failed = sa.and_(mine, _t.state.in_(_FAILED))
    count = conn.execute(sa.select(sa.func.count()).where(failed)).scalar_one()
    if not count:
        return [], 0, 0
    keys = list(conn.scalars(sa.select(_t.key).where(failed).order_by(_t.path, _t.node, _t.idx).limit(limit)))
    # Of the scopes in which something failed: other loops would only blur the picture.
    scopes = sa.select(_t.path, _t.node).where(failed).distinct()
    total = conn.execute(sa.select(sa.func.count()).where(mine, sa.tuple_(_t.path, _t.node).in_(scopes))).scalar_one()
    return keys, int(count), int(total)


def forget(conn: sa.Connection, before: float, limit: int = 500) -> int:
    """Remove up to `limit` incidents that closed before a time, and that nobody is to be told of; return how many."""
    old = sa.select(_i.id).where(_i.closed_at < before, _i.pending.is_(None)).limit(limit)
    return conn.execute(sa.delete(incidents).where(_i.id.in_(old))).rowcount
