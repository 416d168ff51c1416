"""Metrics: the numbers that task runs record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from rota.store.bulk import Bulk, Row
from rota.store.tables import metrics

_m = metrics.c
_INSERT = Bulk(metrics, columns=[column.name for column in metrics.c if column.name != "id"])


def insert_many(conn: sa.Connection, rows: Sequence[Row]) -> None:
    """Append numbers: `execution_id, path, node, attempt, at, name, value, tags`."""
    _INSERT(conn, rows)


def page(conn: sa.Connection, execution_id: str, *, after: int = 0, limit: int = 1000) -> list[dict[str, Any]]:
    """Return up to `limit` numbers of an execution after the one with the id `after`, in order."""
    statement = sa.select(metrics).where(_m.execution_id == execution_id, _m.id > after).order_by(_m.id).limit(limit)
    return [row._asdict() for row in conn.execute(statement)]
