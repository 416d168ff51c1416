"""The outbox: every change of an execution's state, read by each consumer with a stored cursor, at least once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from rota.store.bulk import Bulk, Row, upsert
from rota.store.tables import cursors, outbox

_o = outbox.c
_INSERT = Bulk(
    outbox,
    columns=("execution_id", "run", "state", "created_at"),
    on_server={"transaction_id": sa.literal_column("pg_current_xact_id()::text::bigint")},
)
_ORDER = (_o.transaction_id, _o.id)
_AFTER = (
    sa.select(outbox)
    .where(sa.tuple_(*_ORDER) > sa.tuple_(sa.bindparam("transaction"), sa.bindparam("id")))
    .order_by(*_ORDER)
    .limit(sa.bindparam("limit"))
)
_SETTLED = _AFTER.where(_o.transaction_id < sa.literal_column("pg_snapshot_xmin(pg_current_snapshot())::text::bigint"))
_NEWEST = sa.text("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")


def add(conn: sa.Connection, rows: Sequence[Row]) -> None:
    """Record changes of state: `execution_id, run, state, created_at`."""
    _INSERT(conn, rows)


def after(conn: sa.Connection, position: str, limit: int = 500) -> tuple[list[dict[str, Any]], str]:
    """Return up to `limit` changes after `position` ("" is the beginning), and the position after them.

    A change is given only when none that would come before it can still appear.
    """
    transaction, number = _parsed(position)
    statement = _AFTER
    if conn.dialect.name != "sqlite":
        statement = _SETTLED
        if transaction > conn.execute(_NEWEST).scalar_one():
            # The database was restored into another server, which counts anew: rather twice than never.
            transaction, number = 0, 0
    found = conn.execute(statement, {"transaction": transaction, "id": number, "limit": limit})
    rows = [row._asdict() for row in found]
    return rows, f"{rows[-1]['transaction_id']}:{rows[-1]['id']}" if rows else f"{transaction}:{number}"


def cursor(conn: sa.Connection, name: str) -> str:
    """Return the stored position of a consumer, "" if it has none."""
    return conn.execute(sa.select(cursors.c.position).where(cursors.c.name == name)).scalar() or ""


def move(conn: sa.Connection, name: str, position: str) -> None:
    """Store the position of a consumer."""
    statement = upsert(conn, cursors).values(name=name, position=position)
    conn.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"position": position}))


def end(conn: sa.Connection) -> str:
    """Return the position after everything that is there: where a new consumer begins that wants no history."""
    last = conn.execute(sa.select(*_ORDER).order_by(*(column.desc() for column in _ORDER)).limit(1)).one_or_none()
    return "" if last is None else f"{last[0]}:{last[1]}"


def trim(conn: sa.Connection, before: float) -> int:
    """Remove changes from before a time that every consumer has passed; return how many."""
    positions = [_parsed(position) for position in conn.scalars(sa.select(cursors.c.position))]
    condition = _o.created_at < before
    if positions:
        condition = sa.and_(condition, sa.tuple_(*_ORDER) <= sa.tuple_(*min(positions)))
    return conn.execute(sa.delete(outbox).where(condition)).rowcount


def _parsed(position: str) -> tuple[int, int]:
    transaction, _, number = position.partition(":")
    return int(transaction or 0), int(number or 0)
