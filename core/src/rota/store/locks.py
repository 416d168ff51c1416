"""Locks across flows and servers: in order of asking, re-entrant for descendants, free of deadlocks.

A row is a request; it waits until it is held, and is removed when it is released. The requests of its ancestors
(enclosing scopes, and through subflows the parent's) are its `inside`: they cannot be released before it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from rota.store.engine import serialize
from rota.store.tables import executions, locks

_l, _e = locks.c, executions.c
NO_INDEX = -1
"""The `idx` of a request by a task or scope itself and not by one of its iterations."""

Address = tuple[str, str, str, int]
"""Who asks: execution, path of the frame, node, and iteration or NO_INDEX."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of asking.

    `held` says whether the lock is the asker's now. A `circle` that is not empty means that nothing was recorded: its
    rows, in order, are those that wait for each other, the last for something that the asker's own ancestors hold.
    """

    id: int
    held: bool
    circle: list[dict[str, Any]] = field(default_factory=list)


def ask(
    conn: sa.Connection,
    key: str,
    who: Address,
    *,
    root_id: str,
    at: float,
    expires_at: float | None = None,
    ancestors: Collection[Address] = (),
) -> Answer:
    """Ask for a lock; one asker has one request, asking again answers as it stands.

    `ancestors` are the askers whose end `who` is part of; naming more than have a lock does no harm. `expires_at` is
    when the wait is over, see `expired`.
    """
    serialize(conn, "locks")
    there = conn.execute(sa.select(_l.id, _l.held).where(*_is(who))).one_or_none()
    if there is not None:
        return Answer(there.id, bool(there.held))
    inside = _requests_of(conn, ancestors)
    queue = conn.execute(sa.select(_l.id, _l.held).where(_l.key == key)).all()
    holders = {row.id for row in queue if row.held}
    held = bool(holders & inside) or not queue
    if not held and (circle := _circle(conn, key, inside)):
        return Answer(0, False, circle)
    values = dict(zip(("execution_id", "path", "node", "idx"), who, strict=True)) | {
        "key": key,
        "root_id": root_id,
        "inside": sorted(inside),
        "held": held,
        "asked_at": at,
        "granted_at": at if held else None,
        "expires_at": expires_at,
    }
    return Answer(int(conn.execute(sa.insert(locks).values(values).returning(_l.id)).scalar_one()), held)


def release(conn: sa.Connection, askers: Iterable[Address], *, at: float) -> list[dict[str, Any]]:
    """Remove the requests of `askers`, held or not, and hand their locks on.

    Returns the requests that became held, each with the `owner` of its execution. For those of other conductors call
    `Store.notify`; they look with `granted`.
    """
    serialize(conn, "locks")
    keys: set[str] = set()
    for who in askers:
        keys.update(conn.scalars(sa.delete(locks).where(*_is(who)).returning(_l.key)))
    return _hand_on(conn, keys, at)


def release_all(conn: sa.Connection, ids: Sequence[str], *, at: float) -> list[dict[str, Any]]:
    """Remove all requests of executions; returns what `release` does."""
    serialize(conn, "locks")
    keys = set(conn.scalars(sa.delete(locks).where(_l.execution_id.in_(ids)).returning(_l.key)))
    return _hand_on(conn, keys, at)


def release_ids(conn: sa.Connection, ids: Sequence[int], *, at: float) -> list[dict[str, Any]]:
    """Remove requests by their ids, as a person may want to; returns what `release` does."""
    serialize(conn, "locks")
    keys = set(conn.scalars(sa.delete(locks).where(_l.id.in_(ids)).returning(_l.key)))
    return _hand_on(conn, keys, at)


def granted(conn: sa.Connection, ids: Sequence[int]) -> list[int]:
    """Return which of the requests `ids` are held."""
    return list(conn.scalars(sa.select(_l.id).where(_l.id.in_(ids), _l.held.is_(True)).order_by(_l.id)))


def expired(conn: sa.Connection, at: float) -> list[dict[str, Any]]:
    """Return the requests that have waited until their time and are not held."""
    statement = sa.select(locks).where(_l.held.is_(False), _l.expires_at <= at).order_by(_l.id)
    return [row._asdict() for row in conn.execute(statement)]


def of_executions(conn: sa.Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return the requests of executions, in order of asking."""
    return [row._asdict() for row in conn.execute(sa.select(locks).where(_l.execution_id.in_(ids)).order_by(_l.id))]


def left_over(conn: sa.Connection, owner: str) -> list[str]:
    """Return the executions of a conductor that have ended and still have requests: threads of theirs had gone on."""
    statement = (
        sa.select(_l.execution_id)
        .join(executions, _e.id == _l.execution_id)
        .where(_e.owner == owner, _e.ended_at.is_not(None))
        .distinct()
    )
    return list(conn.scalars(statement))


def page(
    conn: sa.Connection, *, key: str | None = None, after: tuple[str, int] | None = None, limit: int = 200
) -> list[dict[str, Any]]:
    """Return up to `limit` requests (for one key) with `namespace` and `flow`, by key and order of asking."""
    statement = (
        sa.select(locks, _e.namespace, _e.flow)
        .outerjoin(executions, _e.id == _l.execution_id)
        .order_by(_l.key, _l.id)
        .limit(limit)
    )
    if key is not None:
        statement = statement.where(_l.key == key)
    if after is not None:
        statement = statement.where(sa.tuple_(_l.key, _l.id) > sa.tuple_(*after))
    return [row._asdict() for row in conn.execute(statement)]


def _is(who: Address) -> tuple[sa.ColumnElement[bool], ...]:
    execution_id, path, node, idx = who
    return (_l.execution_id == execution_id, _l.path == path, _l.node == node, _l.idx == idx)


def _requests_of(conn: sa.Connection, askers: Collection[Address]) -> set[int]:
    """The ids of the requests of `askers`."""
    if not askers:
        return set()
    return set(conn.scalars(sa.select(_l.id).where(sa.or_(*(sa.and_(*_is(who)) for who in askers)))))


def _circle(conn: sa.Connection, key: str, inside: set[int]) -> list[dict[str, Any]]:
    """Return the way from a holder of `key` to one of `inside`, who would wait for each other, or nothing.

    It is searched from its end: whoever waits for a lock in `inside` blocks the requests that it is itself inside of,
    which block others in turn, until one of them holds `key`.
    """
    rows: dict[int, dict[str, Any]] = {}
    next_on_way: dict[int, list[int]] = {}
    blocked = inside
    while blocked:
        rows |= _by_id(conn, sa.and_(_l.id.in_(blocked), _l.held.is_(True)))
        for number in blocked & rows.keys():
            if rows[number]["key"] == key:
                return [rows[number], *(rows[one] for one in _way(number, next_on_way))]
        keys = {rows[number]["key"]: number for number in blocked & rows.keys()}
        waiting = _by_id(conn, sa.and_(_l.key.in_(keys), _l.held.is_(False)))
        rows |= waiting
        blocked = set()
        for number, row in waiting.items():
            for outer in row["inside"] or ():
                if outer not in rows and outer not in blocked:
                    next_on_way[outer] = [number, keys[row["key"]]]
                    blocked.add(outer)
    return []


def _way(number: int, next_on_way: dict[int, list[int]]) -> Iterable[int]:
    while number in next_on_way:
        waiting, number = next_on_way[number]
        yield from (waiting, number)


def _by_id(conn: sa.Connection, condition: sa.ColumnElement[bool]) -> dict[int, dict[str, Any]]:
    return {row.id: row._asdict() for row in conn.execute(sa.select(locks).where(condition))}


def _hand_on(conn: sa.Connection, keys: Collection[str], at: float) -> list[dict[str, Any]]:
    """Give each lock of `keys` that nobody holds to the first who waits for it."""
    if not keys:
        return []
    first: dict[str, int] = {}
    for row in conn.execute(sa.select(_l.id, _l.key, _l.held).where(_l.key.in_(keys)).order_by(_l.held.desc(), _l.id)):
        first.setdefault(row.key, 0 if row.held else row.id)
    ids = [number for number in first.values() if number]
    if not ids:
        return []
    conn.execute(sa.update(locks).where(_l.id.in_(ids)).values(held=True, granted_at=at))
    statement = sa.select(locks, _e.owner).outerjoin(executions, _e.id == _l.execution_id)
    return [row._asdict() for row in conn.execute(statement.where(_l.id.in_(ids)).order_by(_l.id))]
