"""Leases of secrets: on record before the secret is handed out, renewed, revoked at the end by whoever is there.

`lease` is ciphertext of the keyring's; `state` is `active`, `revoked` or `failed`.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from rota.store.tables import executions, leases

_l, _e = leases.c, executions.c


def add(conn: sa.Connection, execution_id: str, backend: str, path: str, lease: str, expires_at: float | None) -> int:
    """Record a lease and return its id."""
    values = {
        "execution_id": execution_id,
        "backend": backend,
        "path": path,
        "lease": lease,
        "expires_at": expires_at,
        "state": "active",
    }
    return int(conn.execute(sa.insert(leases).values(values).returning(_l.id)).scalar_one())


def active_of(conn: sa.Connection, execution_id: str) -> list[dict[str, Any]]:
    """Return the leases of an execution that are not revoked yet."""
    statement = sa.select(leases).where(_l.execution_id == execution_id, _l.state == "active").order_by(_l.id)
    return [row._asdict() for row in conn.execute(statement)]


def expiring(conn: sa.Connection, owner: str, before: float) -> list[dict[str, Any]]:
    """Return the active leases of a conductor's executions that end before a time."""
    statement = (
        sa.select(leases)
        .join(executions, _e.id == _l.execution_id)
        .where(_l.state == "active", _l.expires_at < before, _e.owner == owner, _e.ended_at.is_(None))
        .order_by(_l.expires_at)
    )
    return [row._asdict() for row in conn.execute(statement)]


def left_over(conn: sa.Connection, limit: int = 100) -> list[dict[str, Any]]:
    """Return active leases of executions that have ended or are gone: they are to be revoked."""
    statement = (
        sa.select(leases)
        .outerjoin(executions, _e.id == _l.execution_id)
        .where(_l.state == "active", sa.or_(_e.id.is_(None), _e.ended_at.is_not(None)))
        .order_by(_l.id)
        .limit(limit)
    )
    return [row._asdict() for row in conn.execute(statement)]


def renewed(conn: sa.Connection, lease_id: int, lease: str, expires_at: float | None) -> None:
    """Record what a lease became."""
    conn.execute(sa.update(leases).where(_l.id == lease_id).values(lease=lease, expires_at=expires_at))


def ended(conn: sa.Connection, lease_id: int, state: str = "revoked") -> None:
    """Record that a lease was revoked, or (state `failed`) could not be."""
    conn.execute(sa.update(leases).where(_l.id == lease_id).values(state=state))
