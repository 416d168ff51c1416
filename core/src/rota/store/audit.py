"""The audit trail: who did what to which thing."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from rota.store.tables import audit

_a = audit.c


def add(conn: sa.Connection, author: str, action: str, what: str, details: Any = None, *, at: float) -> None:
    """Record that `author` did `action` to `what`."""
    values = {"at": at, "author": author, "action": action, "object": what, "details": details}
    conn.execute(sa.insert(audit).values(values))


def last(conn: sa.Connection, what: str, actions: Collection[str]) -> dict[str, Any] | None:
    """Return the newest record of one of `actions` on a thing, or None."""
    statement = sa.select(audit).where(_a.object == what, _a.action.in_(actions)).order_by(_a.id.desc()).limit(1)
    row = conn.execute(statement).one_or_none()
    return None if row is None else row._asdict()


def page(
    conn: sa.Connection, *, what: str | None = None, before: int | None = None, limit: int = 100
) -> list[dict[str, Any]]:
    """Return up to `limit` records (of one thing), newest first, before the one with the id `before`."""
    statement = sa.select(audit).order_by(_a.id.desc()).limit(limit)
    if what is not None:
        statement = statement.where(_a.object == what)
    if before is not None:
        statement = statement.where(_a.id < before)
    return [row._asdict() for row in conn.execute(statement)]
