"""Conditions: what is wrong apart from executions, said by whoever finds it, and read by whoever tells people.

A condition is known by its kind (`trigger`, `disk`, …) and its subject. It holds until it is cleared; a momentary one
has happened, and is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from rota.store.bulk import Row, upsert
from rota.store.columns import storable
from rota.store.tables import conditions

_c = conditions.c
_NEW = sa.select(conditions).where(sa.not_(_c.handled)).order_by(_c.raised_at).limit(sa.bindparam("limit"))


def raise_(
    conn: sa.Connection,
    kind: str,
    subject: str,
    message: str,
    *,
    at: float,
    namespace: str = "",
    flow: str = "",
    momentary: bool = False,
) -> None:
    """Say that a condition holds; one that holds already is counted.

    The first line of `message` says what it is, further lines more about it. `namespace` and `flow` are given where it
    belongs to a flow.
    """
    values = {
        "kind": kind,
        "subject": subject,
        "namespace": namespace,
        "flow": flow,
        "message": storable(message),
        "momentary": momentary,
        "count": 1,
        "raised_at": at,
        "last_at": at,
        "cleared_at": None,
        "handled": False,
    }
    goes_on = sa.and_(_c.cleared_at.is_(None), sa.not_(_c.momentary))
    statement = upsert(conn, conditions).values(values)
    new = statement.excluded
    changes = {
        **{name: new[name] for name in ("namespace", "flow", "message", "momentary", "last_at", "cleared_at")},
        "count": sa.case((goes_on, _c.count + 1), else_=1),
        "raised_at": sa.case((goes_on, _c.raised_at), else_=new.raised_at),
        "handled": sa.case((goes_on, _c.handled), else_=sa.false()),
    }
    conn.execute(statement.on_conflict_do_update(index_elements=["kind", "subject"], set_=changes))


def clear(conn: sa.Connection, kind: str, subject: str, *, at: float) -> bool:
    """Say that a condition holds no more; return whether it did until now."""
    holds = (_c.kind == kind, _c.subject == subject, _c.cleared_at.is_(None), sa.not_(_c.momentary))
    statement = sa.update(conditions).where(*holds).values(cleared_at=at, handled=False)
    return conn.execute(statement).rowcount > 0


def new(conn: sa.Connection, limit: int = 500) -> list[dict[str, Any]]:
    """Return conditions that nobody was told of since they were raised or cleared, oldest first."""
    return [row._asdict() for row in conn.execute(_NEW, {"limit": limit})]


def handled(conn: sa.Connection, rows: Sequence[Row]) -> None:
    """Note that people are told of conditions as they were read; what has changed since then is still new."""
    for row in rows:
        same = (_c.kind == row["kind"], _c.subject == row["subject"], _c.raised_at == row["raised_at"])
        cleared = _c.cleared_at.is_(None) if row["cleared_at"] is None else _c.cleared_at == row["cleared_at"]
        conn.execute(sa.update(conditions).where(*same, cleared).values(handled=True))


def holding(conn: sa.Connection, kind: str | None = None) -> list[dict[str, Any]]:
    """Return the conditions that hold, of a kind or all, oldest first."""
    statement = sa.select(conditions).where(_c.cleared_at.is_(None), sa.not_(_c.momentary)).order_by(_c.raised_at)
    if kind is not None:
        statement = statement.where(_c.kind == kind)
    return [row._asdict() for row in conn.execute(statement)]


def forget(conn: sa.Connection, before: float) -> int:
    """Remove what is over since before a time; return how many."""
    over = sa.or_(_c.cleared_at < before, sa.and_(_c.momentary, _c.last_at < before))
    return conn.execute(sa.delete(conditions).where(_c.handled, over)).rowcount
