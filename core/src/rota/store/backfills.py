"""Backfills: periods of a schedule whose dates are made up for, each with how far it has come."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from rota.store.tables import backfills, executions, firings, flows

_b, _e, _f = backfills.c, executions.c, firings.c
ACTIVE = ("running", "paused")


def add(conn: sa.Connection, **values: Any) -> int:
    """Record a new backfill and return its number; it runs from now on."""
    row = {"state": "running", "started": 0, "next_at": values["created_at"], **values}
    found: int = conn.execute(sa.insert(backfills).values(row).returning(_b.id)).scalar_one()
    return found


def get(conn: sa.Connection, id: int) -> dict[str, Any] | None:
    """Return a backfill, or None."""
    row = conn.execute(sa.select(backfills).where(_b.id == id)).one_or_none()
    return None if row is None else row._asdict()


def page(conn: sa.Connection, *, active: bool = False, limit: int = 100) -> list[dict[str, Any]]:
    """Return backfills, newest first; `active`: those that have not ended."""
    statement = sa.select(backfills).order_by(_b.id.desc()).limit(limit)
    if active:
        statement = statement.where(_b.state.in_(ACTIVE))
    return [row._asdict() for row in conn.execute(statement)]


def running(conn: sa.Connection) -> list[dict[str, Any]]:
    """Return the backfills that run, oldest first, with the `revision_id` of their flows: None for one that is gone."""
    statement = (
        sa.select(backfills, flows.c.revision_id)
        .outerjoin(
            flows,
            sa.and_(flows.c.namespace == _b.namespace, flows.c.id == _b.flow, flows.c.deleted_at.is_(None)),
        )
        .where(_b.state == "running")
        .order_by(_b.id)
    )
    return [row._asdict() for row in conn.execute(statement)]


def alive(conn: sa.Connection, row: dict[str, Any]) -> int:
    """Return how many executions of a backfill have not ended."""
    statement = (
        sa.select(sa.func.count())
        .select_from(firings)
        .join(executions, _e.id == _f.execution_id)
        .where(_f.namespace == row["namespace"], _f.flow == row["flow"], _f.trigger == row["trigger"])
        .where(_f.kind == "backfill", _f.key.endswith(f"#{row['id']}"), _e.ended_at.is_(None))
    )
    return int(conn.execute(statement).scalar_one())


def update(conn: sa.Connection, id: int, *, only: tuple[str, ...] = ACTIVE, **values: Any) -> bool:
    """Change a backfill that is in one of the states `only`; return whether there was one."""
    return conn.execute(sa.update(backfills).where(_b.id == id, _b.state.in_(only)).values(values)).rowcount > 0
