"""Commands: what people ask of running executions, applied once by the conductor that owns them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from rota.store.tables import commands, executions

_c, _e = commands.c, executions.c
_OPEN = (
    sa.select(commands)
    .join(executions, _e.id == _c.execution_id)
    .where(_c.applied_at.is_(None), _e.owner == sa.bindparam("owner"))
    .order_by(_c.id)
)


def add(conn: sa.Connection, execution_id: str, kind: str, payload: Any = None, *, author: str = "", at: float) -> int:
    """Ask something of an execution and return the command's id. Call `Store.notify` in the same transaction."""
    values = {"execution_id": execution_id, "kind": kind, "payload": payload, "author": author, "created_at": at}
    return int(conn.execute(sa.insert(commands).values(values).returning(_c.id)).scalar_one())


def open_for(conn: sa.Connection, owner: str) -> list[dict[str, Any]]:
    """Return the commands for a conductor's executions that are not applied yet, in order."""
    return [row._asdict() for row in conn.execute(_OPEN, {"owner": owner})]


def open_of(conn: sa.Connection, execution_id: str) -> list[dict[str, Any]]:
    """Return the commands for one execution that are not applied yet, in order."""
    statement = sa.select(commands).where(_c.execution_id == execution_id, _c.applied_at.is_(None)).order_by(_c.id)
    return [row._asdict() for row in conn.execute(statement)]


def of_kind(conn: sa.Connection, execution_id: str, kind: str) -> list[dict[str, Any]]:
    """Return the commands of one kind for one execution, applied or not, in order."""
    statement = sa.select(commands).where(_c.execution_id == execution_id, _c.kind == kind).order_by(_c.id)
    return [row._asdict() for row in conn.execute(statement)]


def applied(conn: sa.Connection, command_id: int, result: Any, *, at: float) -> bool:
    """Record that a command was applied and what came of it; return False if it had been applied before."""
    statement = sa.update(commands).where(_c.id == command_id, _c.applied_at.is_(None))
    return conn.execute(statement.values(applied_at=at, result=result)).rowcount > 0


def get(conn: sa.Connection, command_id: int) -> dict[str, Any] | None:
    """Return one command, or None."""
    row = conn.execute(sa.select(commands).where(_c.id == command_id)).one_or_none()
    return None if row is None else row._asdict()
