"""Silences: for a while nobody is told of what fits them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from rota.store.tables import silences

_s = silences.c


def add(
    conn: sa.Connection,
    *,
    namespace: str | None = None,
    flow: str | None = None,
    rule: str | None = None,
    kind: str | None = None,
    labels: Mapping[str, str] | None = None,
    starts_at: float,
    ends_at: float,
    reason: str,
    author: str,
    at: float,
) -> int:
    """Record a silence and return its id; what is None fits anything, a namespace includes those below it."""
    values = {
        "namespace": namespace,
        "flow": flow,
        "rule": rule,
        "kind": kind,
        "labels": dict(labels) if labels else None,
        "starts_at": starts_at,
        "ends_at": ends_at,
        "reason": reason,
        "author": author,
        "created_at": at,
    }
    return int(conn.execute(sa.insert(silences).values(values).returning(_s.id)).scalar_one())


def active(conn: sa.Connection, at: float) -> list[dict[str, Any]]:
    """Return the silences that hold at a time, the first to end first."""
    statement = sa.select(silences).where(_s.starts_at <= at, _s.ends_at > at).order_by(_s.ends_at, _s.id)
    return [row._asdict() for row in conn.execute(statement)]


def page(conn: sa.Connection, *, ended_after: float | None = None, limit: int = 200) -> list[dict[str, Any]]:
    """Return up to `limit` silences, newest first: all, or those that end after a time."""
    statement = sa.select(silences).order_by(_s.id.desc()).limit(limit)
    if ended_after is not None:
        statement = statement.where(_s.ends_at > ended_after)
    return [row._asdict() for row in conn.execute(statement)]


def end(conn: sa.Connection, silence_id: int, *, at: float) -> bool:
    """End a silence now; return whether it was there and had not ended."""
    statement = sa.update(silences).where(_s.id == silence_id, _s.ends_at > at).values(ends_at=at)
    return conn.execute(statement).rowcount > 0


def forget(conn: sa.Connection, before: float) -> int:
    """Remove silences that ended before a time; return how many."""
    return conn.execute(sa.delete(silences).where(_s.ends_at < before)).rowcount
