"""Roles: what only one conductor does at a time, such as evaluating triggers.

A role has no lease of its own: its holder is a conductor, and the role is free once that is not alive any more. What
the holder writes goes through its conductor's transactions, which check that it has not been adopted by another.
"""

from __future__ import annotations

import sqlalchemy as sa

from rota.store.bulk import upsert
from rota.store.tables import conductors, roles

_IS_ALIVE = sa.exists().where(conductors.c.id == roles.c.holder, conductors.c.state.in_(("alive", "serving")))


def holder(conn: sa.Connection, name: str) -> str | None:
    """Return the conductor that has a role, alive or not; None if nobody ever had it."""
    return conn.execute(sa.select(roles.c.holder).where(roles.c.name == name)).scalar()


def is_free(conn: sa.Connection, name: str) -> bool:
    """Say whether a role can be taken: nobody has it, or who had it is dead, and known to be."""
    return conn.execute(sa.select(roles.c.name).where(roles.c.name == name, _IS_ALIVE)).first() is None


def take(conn: sa.Connection, name: str, conductor_id: str) -> bool:
    """Give a role to a conductor if it is free or its already; return whether it has it now."""
    mine = sa.or_(roles.c.holder == conductor_id, ~_IS_ALIVE)
    taken = sa.update(roles).where(roles.c.name == name, mine).values(holder=conductor_id)
    if conn.execute(taken).rowcount:
        return True
    # Not in one statement: in an upsert the condition would be about the holders of all roles.
    made = upsert(conn, roles).values(name=name, holder=conductor_id).on_conflict_do_nothing()
    return conn.execute(made.returning(roles.c.holder)).scalar() == conductor_id


def leave(conn: sa.Connection, conductor_id: str) -> None:
    """Take all roles from a conductor."""
    conn.execute(sa.delete(roles).where(roles.c.holder == conductor_id))
