"""Gives an end to everything of an execution that nothing drives any more."""

from __future__ import annotations

import time

import sqlalchemy as sa

from rota.store.tables import iterations, task_runs

OVER = ("success", "warning", "failed", "cancelled", "skipped", "lost", "not_started")
"""The states in which a task run has ended."""


def mark_lost(conn: sa.Connection, execution_id: str) -> None:
    """Give every row of an execution that nothing drives any more an end: lost if it ran, else not started."""
    now = time.time()
    t, i = task_runs.c, iterations.c
    mine = sa.and_(t.execution_id == execution_id, t.state.not_in(OVER))
    ran = t.state.in_(("running", "cancelling"))
    scopes = t.type.in_(("flow", "iteration", "sequential", "parallel", "if", "switch", "repeat", "foreach", "fleet"))
    update = sa.update(task_runs)
    conn.execute(update.where(mine, scopes).values(state="failed", phase="", ended_at=now))
    conn.execute(update.where(mine, ~scopes, ran).values(state="lost", phase="", ended_at=now))
    conn.execute(update.where(mine, ~scopes, ~ran).values(state="not_started", phase="", ended_at=now))
    conn.execute(
        sa.update(iterations)
        .where(i.execution_id == execution_id, i.state == "running")
        .values(state="lost", ended_at=now)
    )
