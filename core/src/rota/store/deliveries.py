"""Deliveries: one message to one sink, kept until it was sent; `alert` is what the sink gets.

`state` is `queued`, `sent`, `failed` (given up), or `merged` (it is part of another message).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from rota.store.bulk import Bulk, Row
from rota.store.tables import deliveries

_d = deliveries.c
_NEW = {"state": "queued", "attempts": 0, **dict.fromkeys(("last_at", "sent_at", "last_error", "merged_into"))}
_INSERT = Bulk(deliveries)
_DUE = (
    sa.select(deliveries)
    .where(_d.state == "queued", _d.next_at <= sa.bindparam("at"))
    .order_by(_d.next_at, _d.id)
    .limit(sa.bindparam("limit"))
)
_NEXT = sa.select(sa.func.min(_d.next_at)).where(_d.state == "queued", _d.next_at > sa.bindparam("at"))


def add(conn: sa.Connection, rows: Sequence[Row]) -> None:
    """Queue messages: `id, message, sink, rule, alert, created_at, next_at`."""
    _INSERT(conn, [{**_NEW, **row} for row in rows])


def due(conn: sa.Connection, at: float, limit: int = 1000) -> list[dict[str, Any]]:
    """Return queued messages that may be sent at a time, the longest due first."""
    return [row._asdict() for row in conn.execute(_DUE, {"at": at, "limit": limit})]


def next_due(conn: sa.Connection, at: float) -> float | None:
    """Return when the next queued message that is not due at a time will be, or None where there is none."""
    found: float | None = conn.execute(_NEXT, {"at": at}).scalar()
    return found


def update(conn: sa.Connection, delivery_id: str, **values: Any) -> None:
    """Set columns of one message that is still queued; whoever was quicker has it."""
    conn.execute(sa.update(deliveries).where(_d.id == delivery_id, _d.state == "queued").values(values))


def hurry(conn: sa.Connection, sink: str, *, at: float) -> None:
    """Have everything that waits for a sink tried now: it takes messages again."""
    waiting = sa.update(deliveries).where(_d.sink == sink, _d.state == "queued", _d.next_at > at)
    conn.execute(waiting.values(next_at=at))


def merge(conn: sa.Connection, ids: Sequence[str], into: str) -> None:
    """Note that queued messages are told by another one."""
    merged = sa.update(deliveries).where(_d.id.in_(ids), _d.state == "queued")
    conn.execute(merged.values(state="merged", merged_into=into, next_at=None))


def sent_times(conn: sa.Connection, sink: str, since: float) -> list[float]:
    """Return when messages were sent to a sink after a time, oldest first."""
    statement = sa.select(_d.sent_at).where(_d.sink == sink, _d.sent_at > since).order_by(_d.sent_at)
    return [float(at) for at in conn.scalars(statement)]


def of_messages(conn: sa.Connection, messages: Iterable[str]) -> list[dict[str, Any]]:
    """Return the deliveries of messages, oldest first."""
    statement = sa.select(deliveries).where(_d.message.in_(list(messages))).order_by(_d.created_at, _d.sink, _d.id)
    return [row._asdict() for row in conn.execute(statement)]


def page(conn: sa.Connection, *, state: str | None = None, limit: int = 50) -> list[dict[str, Any]]:
    """Return up to `limit` deliveries, newest first, of a state or all."""
    statement = sa.select(deliveries).order_by(_d.created_at.desc(), _d.id.desc()).limit(limit)
    if state is not None:
        statement = statement.where(_d.state == state)
    return [row._asdict() for row in conn.execute(statement)]


def starting_with(conn: sa.Connection, prefix: str, limit: int = 2) -> list[dict[str, Any]]:
    """Return at most `limit` deliveries whose id starts with `prefix`, which a person may have shortened."""
    range_ = (_d.id >= prefix, _d.id < prefix + "\U0010ffff")
    return [row._asdict() for row in conn.execute(sa.select(deliveries).where(*range_).order_by(_d.id).limit(limit))]


def send_again(conn: sa.Connection, ids: Sequence[str], *, at: float) -> int:
    """Queue anew what was given up, and send at once what waits; return how many there were."""
    again = sa.update(deliveries).where(_d.id.in_(ids), _d.state.in_(("failed", "queued")))
    return conn.execute(again.values(state="queued", next_at=at, created_at=at)).rowcount


def forget(conn: sa.Connection, before: float, limit: int = 500) -> int:
    """Remove up to `limit` messages from before a time that are not queued any more; return how many."""
    old = sa.select(_d.id).where(_d.created_at < before, _d.state != "queued").limit(limit)
    return conn.execute(sa.delete(deliveries).where(_d.id.in_(old))).rowcount
