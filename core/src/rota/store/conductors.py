"""Conductors: who they are, that they live, and what the living take over from the dead.

On PostgreSQL a conductor lives until its lease ends by the server's clock; on SQLite while it holds its `Presence`. Its
`epoch` fences it off: adoption raises it, and a transaction whose `check` fails must be rolled back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from rota.store import conditions, roles
from rota.store.engine import Store, now
from rota.store.presence import Presence, claim
from rota.store.sqlite import raw
from rota.store.tables import conductors, executions

_c, _e = conductors.c, executions.c
_MINE = (_c.id == sa.bindparam("b_id"), _c.epoch == sa.bindparam("b_epoch"))
_CLOCK: sa.ColumnElement[float] = sa.literal_column("extract(epoch FROM clock_timestamp())::float8", sa.Double())
# Should this process be stopped inside the transaction, the server must not keep its locks from adopters for long.
_PATIENCE = sa.func.set_config("idle_in_transaction_session_timeout", sa.bindparam("b_patience"), sa.true())
_FOLLOWS = _c.batch == sa.bindparam("b_batch", type_=sa.BigInteger) - 1
_CHECK = sa.update(conductors).where(*_MINE, _FOLLOWS).values(batch=sa.bindparam("b_batch")).returning(_PATIENCE)
_CHECK_SQLITE = "UPDATE conductors SET batch = ?1 WHERE id = ?2 AND epoch = ?3 AND batch = ?1 - 1"
_WAITING = """
    (SELECT count(*) FROM commands AS c JOIN executions AS e ON e.id = c.execution_id
      WHERE c.applied_at IS NULL AND e.owner = :id) AS commands,
    EXISTS (SELECT 1 FROM executions AS e
      WHERE e.owner IS NULL AND e.ended_at IS NULL AND e.mode = 'server') AS unowned
"""
# On SQLite the lease is the presence: there is nothing to write.
_RENEW_SQLITE = sa.text(f"SELECT {_WAITING} FROM conductors WHERE id = :id AND epoch = :epoch")  # noqa: S608
_RENEW_POSTGRES = sa.text(
    f"""
    UPDATE conductors SET expires_at = extract(epoch FROM clock_timestamp())::float8 + :ttl
    WHERE id = :id AND epoch = :epoch RETURNING {_WAITING}
    """  # noqa: S608
)


@dataclass(frozen=True, slots=True)
class Renewal:
    """A lease that was renewed: how many commands wait for this conductor, and whether executions without owner do."""

    commands: int
    unowned: bool


def register(
    store: Store,
    conductor_id: str,
    *,
    host: str,
    pid: int,
    process_start: float,
    version: str,
    ttl: float,
    serving: bool = False,
) -> Presence | None:
    """Record a new conductor, epoch 1 and batch 0, with a lease of `ttl` seconds; `serving`: it is a server.

    Returns the presence to hold while it lives: on SQLite, else None.
    """
    presence = claim(store.path, conductor_id) if store.path is not None else None
    with store.write() as conn:
        at = now(conn)
        values = {
            "id": conductor_id,
            "host": host,
            "pid": pid,
            "process_start": process_start,
            "epoch": 1,
            "batch": 0,
            "expires_at": None if store.path is not None else at + ttl,
            "version": version,
            "started_at": at,
            "state": "serving" if serving else "alive",
        }
        conn.execute(sa.insert(conductors).values(values))
    return presence


def renew(conn: sa.Connection, conductor_id: str, epoch: int, ttl: float) -> Renewal | None:
    """Make the lease end `ttl` seconds from now, in one statement that tells what else there is to do.

    None says that the lease is lost: somebody has adopted what was this conductor's. On SQLite it only reads, and
    `Store.read()` will do.
    """
    parameters: dict[str, Any] = {"id": conductor_id, "epoch": epoch}
    statement = _RENEW_SQLITE
    if conn.dialect.name != "sqlite":
        statement, parameters["ttl"] = _RENEW_POSTGRES, ttl
    row = conn.execute(statement, parameters).one_or_none()
    return None if row is None else Renewal(row.commands, bool(row.unowned))


def check(conn: sa.Connection, conductor_id: str, epoch: int, batch: int, *, patience: float = 60.0) -> bool:
    """Write the number of this transaction's batch, and keep adopters out until it ends.

    It waits for another transaction of that conductor. False, and `standing` tells which: the epoch is over; this batch
    is there already, so that a COMMIT whose outcome was not known took place; or the one before it is not, which is so
    after a database was restored, or another took its place that had not got all. `patience` is how many seconds this
    process may be silent inside the transaction before PostgreSQL ends that.
    """
    if conn.dialect.name == "sqlite":  # every transaction begins with it: past SQLAlchemy it costs a tenth
        return int(raw(conn).execute(_CHECK_SQLITE, (batch, conductor_id, epoch)).rowcount) > 0
    parameters = {"b_id": conductor_id, "b_epoch": epoch, "b_batch": batch, "b_patience": f"{max(1.0, patience):.0f}s"}
    return conn.execute(_CHECK, parameters).first() is not None


def standing(conn: sa.Connection, conductor_id: str) -> tuple[int, int] | None:
    """Return (epoch, batch) as stored: after a `check` that failed it tells why."""
    row = conn.execute(sa.select(_c.epoch, _c.batch).where(_c.id == conductor_id)).one_or_none()
    return None if row is None else (row.epoch, row.batch)


def every(conn: sa.Connection) -> list[dict[str, Any]]:
    """Return all conductors on record, oldest first."""
    return [row._asdict() for row in conn.execute(sa.select(conductors).order_by(_c.started_at, _c.id))]


def expired(conn: sa.Connection, margin: float) -> list[str]:
    """Return the conductors whose lease ended more than `margin` seconds ago (PostgreSQL), or may have (SQLite).

    On SQLite that is all of them: a dead one is one whose presence can be claimed.
    """
    statement = sa.select(_c.id).where(_c.state != "stopped").order_by(_c.started_at, _c.id)
    if conn.dialect.name != "sqlite":
        statement = statement.where(_c.expires_at + margin < _CLOCK)
    return list(conn.scalars(statement))


def adopt(
    conn: sa.Connection, dead: str, by: str, ids: Sequence[str] | None = None, *, margin: float = 0.0
) -> list[dict[str, Any]] | None:
    """Take executions (`ids`, default: all) of a dead conductor over and return them, oldest first.

    Its epoch is raised first. None says that it is not dead after all; on SQLite the caller holds its presence.
    """
    fence = sa.update(conductors).where(_c.id == dead).values(epoch=_c.epoch + 1, state="dead")
    if conn.dialect.name != "sqlite":
        late = _c.expires_at + margin < _CLOCK
        # Whoever is in the middle of a transaction is looked at again later: waiting for it could cost our own lease.
        if not conn.scalars(sa.select(_c.id).where(_c.id == dead, late).with_for_update(skip_locked=True)).all():
            return None
    lost = conn.execute(sa.select(_c.host, _c.state).where(_c.id == dead)).one_or_none()
    if conn.execute(fence).rowcount == 0:
        return None
    mine = sa.select(_e.id).where(_e.owner == dead, _e.ended_at.is_(None))
    if ids is not None:
        mine = mine.where(_e.id.in_(ids))
    found = list(conn.scalars(mine))
    conn.execute(sa.update(executions).where(_e.id.in_(found)).values(owner=by, adoptions=_e.adoptions + 1))
    taken = sa.select(executions).where(_e.id.in_(found)).order_by(_e.created_at, _e.id)
    if lost is not None and lost.state == "serving":
        message = f"a server on `{lost.host}` lost its lease\n{dead} was silent; {by} took over {len(found)} executions"
        conditions.raise_(conn, "server", lost.host, message, at=now(conn), momentary=True)
    return [row._asdict() for row in conn.execute(taken)]


def leave(conn: sa.Connection, conductor_id: str) -> None:
    """Hand over what is left to whoever comes, and record the end; a row that nothing names any more is removed."""
    conn.execute(
        sa.update(executions)
        .where(_e.owner == conductor_id, _e.ended_at.is_(None), _e.mode == "server")
        .values(owner=None)
    )
    stopped = sa.update(conductors).where(_c.id == conductor_id, _c.state != "dead")
    conn.execute(stopped.values(state="stopped"))
    roles.leave(conn, conductor_id)
    forget(conn)


def release(conn: sa.Connection, dead: str) -> None:
    """Leave what is left of a dead conductor's executions to servers that can run them."""
    conn.execute(
        sa.update(executions).where(_e.owner == dead, _e.ended_at.is_(None), _e.mode == "server").values(owner=None)
    )


def forget(conn: sa.Connection) -> None:
    """Remove the rows of conductors that are over and own nothing alive."""
    owners = sa.select(_e.owner).where(_e.ended_at.is_(None), _e.owner.is_not(None))
    conn.execute(sa.delete(conductors).where(_c.state.in_(("stopped", "dead")), _c.id.not_in(owners)))
