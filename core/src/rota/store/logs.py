"""Log lines of task runs, written in batches and read in order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from rota.store.bulk import Bulk, Row
from rota.store.columns import storable
from rota.store.tables import logs

_l = logs.c
_INSERT = Bulk(logs, columns=[column.name for column in logs.c if column.name != "id"])


def insert_many(conn: sa.Connection, rows: Sequence[Row]) -> None:
    """Append lines: `execution_id, path, node, attempt, at, level, message, fields`.

    What no text in a database may hold is replaced in messages.
    """
    _INSERT(conn, [{**row, "message": storable(row["message"])} for row in rows])


def page(
    conn: sa.Connection,
    execution_id: str,
    *,
    path: str | None = None,
    node: str | None = None,
    levels: Iterable[str] = (),
    after: int = 0,
    limit: int = 1000,
) -> list[dict[str, Any]]:
    """Return up to `limit` lines after the line with the id `after`, in order."""
    statement = _select(execution_id, path, node, tuple(levels)).where(_l.id > after).order_by(_l.id).limit(limit)
    return [row._asdict() for row in conn.execute(statement)]


def tail(
    conn: sa.Connection,
    execution_id: str,
    *,
    path: str | None = None,
    node: str | None = None,
    levels: Iterable[str] = (),
    limit: int = 100,
) -> list[dict[str, Any]]:
    """Return the last `limit` lines, in order."""
    statement = _select(execution_id, path, node, tuple(levels)).order_by(_l.id.desc()).limit(limit)
    return [row._asdict() for row in conn.execute(statement)][::-1]


def _select(execution_id: str, path: str | None, node: str | None, levels: tuple[str, ...]) -> sa.Select[Any]:
    statement = sa.select(logs).where(_l.execution_id == execution_id)
    if path is not None:
        statement = statement.where(_l.path == path)
    if node is not None:
        statement = statement.where(_l.node == node)
    return statement.where(_l.level.in_(levels)) if levels else statement
