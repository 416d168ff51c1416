"""Gives an end to everything of an execution that nothing drives any more."""

from __future__ import annotations

import time

import sqlalchemy as sa

from rota.store.tables import iterations, task_runs

OVER = ("success", "warning", "failed", "cancelled", "skipped", "lost", "not_started")
"""The states in which a task run has ended."""
_SCOPES = ("flow", "iteration", "sequential", "parallel", "if", "switch", "repeat", "foreach", "fleet")
_WAITS = ("sleep", "pause", "subflow")
"""Control tasks: they run nothing themselves, so nobody need wonder what became of them."""


def mark_lost(conn: sa.Connection, execution_id: str) -> None:
    """Give every row of an execution that nothing drives any more an end.

    What ran is lost, what was to be tried again has failed, what waited never started.
    """
    now = time.time()
    t, i = task_runs.c, iterations.c
    _leave_loops(conn, execution_id)
    mine = sa.and_(t.execution_id == execution_id, t.state.not_in(OVER))
    state = sa.case(
        (t.type.in_(_SCOPES), "failed"),
        (t.state == "retrying", "failed"),
        (t.state.in_(("running", "cancelling", "paused")), sa.case((t.type.in_(_WAITS), "cancelled"), else_="lost")),
        else_="not_started",
    )
    conn.execute(sa.update(task_runs).where(mine).values(state=state, phase="", ended_at=now))
    conn.execute(
        sa.update(iterations)
        .where(i.execution_id == execution_id, i.state == "running")
        .values(state="lost", ended_at=now)
    )


def _leave_loops(conn: sa.Connection, execution_id: str) -> None:
    """Have a restart go on with the iteration of a `repeat` that was under way, and not with the next one."""
    t = task_runs.c
    loops = sa.select(t.path, t.node, t.data).where(
        t.execution_id == execution_id, t.type == "repeat", t.state.not_in(OVER)
    )
    for path, node, data in conn.execute(loops).all():
        if data and data.get("open"):
            where = (t.execution_id == execution_id, t.path == path, t.node == node)
            conn.execute(sa.update(task_runs).where(*where).values(data={**data, "left": True}))
