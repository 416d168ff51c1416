"""Triggers: where each stands, and every firing, unique, in the transaction that creates its execution."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from rota.store.bulk import Bulk, upsert
from rota.store.tables import firings, triggers

_t, _f = triggers.c, firings.c
_KEY = ("namespace", "flow", "trigger")
_DEFAULTS: dict[str, Any] = {"enabled": True} | dict.fromkeys(
    ("anchor_at", "high_water_at", "state", "next_at", "last_at", "last_error")
)
_SAVE = Bulk(triggers, update=[column.name for column in _t if column.name not in _KEY])


def get(conn: sa.Connection, namespace: str, flow: str, trigger: str) -> dict[str, Any] | None:
    """Return where a trigger stands, or None."""
    statement = sa.select(triggers).where(_t.namespace == namespace, _t.flow == flow, _t.trigger == trigger)
    row = conn.execute(statement).one_or_none()
    return None if row is None else row._asdict()


def save(conn: sa.Connection, namespace: str, flow: str, trigger: str, *, updated_at: float, **values: Any) -> None:
    """Set columns of a trigger, and keep the others; a new one is enabled."""
    there = get(conn, namespace, flow, trigger) or {
        **_DEFAULTS,
        "namespace": namespace,
        "flow": flow,
        "trigger": trigger,
    }
    _SAVE(conn, [{**there, **values, "updated_at": updated_at}])


def of_flow(conn: sa.Connection, namespace: str, flow: str) -> list[dict[str, Any]]:
    """Return the triggers of a flow, by id."""
    statement = sa.select(triggers).where(_t.namespace == namespace, _t.flow == flow).order_by(_t.trigger)
    return [row._asdict() for row in conn.execute(statement)]


def every(conn: sa.Connection) -> list[dict[str, Any]]:
    """Return all triggers, by namespace, flow and id."""
    statement = sa.select(triggers).order_by(_t.namespace, _t.flow, _t.trigger)
    return [row._asdict() for row in conn.execute(statement)]


def due(conn: sa.Connection, at: float) -> list[dict[str, Any]]:
    """Return the enabled triggers whose next time has come, the first due first."""
    statement = sa.select(triggers).where(_t.enabled.is_(True), _t.next_at <= at).order_by(_t.next_at)
    return [row._asdict() for row in conn.execute(statement)]


def fire(
    conn: sa.Connection, namespace: str, flow: str, trigger: str, kind: str, key: str, execution_id: str, *, at: float
) -> bool:
    """Record a firing, unique by all but the execution; return False when it has been, and then create nothing.

    `key` is the planned instant in UTC, or the key of the event.
    """
    row = {"namespace": namespace, "flow": flow, "trigger": trigger, "kind": kind, "key": key}
    statement = upsert(conn, firings).values(**row, execution_id=execution_id, created_at=at)
    return conn.execute(statement.on_conflict_do_nothing().returning(_f.key)).one_or_none() is not None
