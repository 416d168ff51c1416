"""What deployed flows promise, and whether their executions keep it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from rota.store.tables import executions, flows, revisions, task_runs, timers, triggers

_e, _f, _r, _t = executions.c, flows.c, revisions.c, triggers.c
_WELL = ("success", "warning")


def version(conn: sa.Connection) -> tuple[float, int]:
    """Return what is another whenever a flow is deployed or deleted."""
    newest = sa.func.max(_f.updated_at)
    row = conn.execute(sa.select(newest, sa.func.max(_f.deleted_at), sa.func.count()).select_from(flows)).one()
    return max(row[0] or 0.0, row[1] or 0.0), int(row[2])


def flows_with(conn: sa.Connection, word: str) -> list[dict[str, Any]]:
    """Return the deployed flows whose source has a word in it: `namespace, id, revision_id, disabled, created_at`."""
    statement = (
        sa.select(_f.namespace, _f.id, _f.revision_id, _f.disabled, _f.created_at)
        .join(revisions, _r.id == _f.revision_id)
        .where(_f.deleted_at.is_(None), _r.source.contains(word, autoescape=True))
        .order_by(_f.namespace, _f.id)
    )
    return [row._asdict() for row in conn.execute(statement)]


def running_since(conn: sa.Connection, namespace: str, flow: str, before: float) -> dict[str, Any] | None:
    """Return the execution of a flow that has run longest, if it started before a time."""
    statement = (
        sa.select(_e.id, _e.started_at)
        .where(_e.namespace == namespace, _e.flow == flow, _e.ended_at.is_(None), _e.started_at < before)
        .where(_e.mode == "server")
        .order_by(_e.started_at)
        .limit(1)
    )
    row = conn.execute(statement).one_or_none()
    return None if row is None else row._asdict()


def ended_well_since(conn: sa.Connection, namespace: str, flow: str, since: float) -> bool:
    """Whether an execution of a flow was created since a time, and has ended well."""
    statement = sa.select(_e.id).where(_e.namespace == namespace, _e.flow == flow, _e.created_at >= since)
    return conn.execute(statement.where(_e.state.in_(_WELL)).limit(1)).first() is not None


def untaken(conn: sa.Connection, before: float, limit: int = 100) -> list[dict[str, Any]]:
    """Return executions that a trigger created before a time, and that no server has taken since."""
    statement = (
        sa.select(_e.id, _e.namespace, _e.flow, _e.revision_id, _e.labels, _e.created_at)
        .where(_e.owner.is_(None), _e.ended_at.is_(None), _e.mode == "server", _e.started_at.is_(None))
        .where(_e.created_at < before)
        .order_by(_e.created_at)
        .limit(limit)
    )
    return [row._asdict() for row in conn.execute(statement)]


def waiting_for_secrets(conn: sa.Connection, limit: int = 1000) -> list[dict[str, Any]]:
    """Return executions with a task that is to be tried again because it did not get a secret, the oldest first."""
    run, timer = task_runs.c, timers.c
    same = [run[name] == timer[name] for name in ("execution_id", "path", "node")]
    problem = sa.type_coerce(run.problem, sa.Text)
    statement = (
        sa.select(_e.id, _e.namespace, _e.flow, _e.revision_id, _e.labels, _e.created_at, run.node, run.problem)
        .select_from(timers)
        .join(task_runs, sa.and_(*same))
        .join(executions, _e.id == timer.execution_id)
        .where(run.state == "retrying", _e.ended_at.is_(None), problem.contains('"SecretError"'))
        .order_by(_e.created_at, run.node)
        .limit(limit)
    )
    return [row._asdict() for row in conn.execute(statement)]


def late_schedules(conn: sa.Connection, before: float) -> list[dict[str, Any]]:
    """Return the enabled schedules of deployed flows whose next date was before a time."""
    return _triggers(conn, _t.type == "schedule", _t.next_at < before)


def failing_triggers(conn: sa.Connection, failures: int) -> list[dict[str, Any]]:
    """Return the enabled triggers of deployed flows that have failed so many times in a row."""
    return _triggers(conn, _t.failures >= failures)


def _triggers(conn: sa.Connection, *conditions: sa.ColumnElement[bool]) -> list[dict[str, Any]]:
    columns = (_t.namespace, _t.flow, _t.trigger, _t.next_at, _t.last_error, _t.updated_at, _f.revision_id)
    statement = (
        sa.select(*columns)
        .join(flows, sa.and_(_f.namespace == _t.namespace, _f.id == _t.flow))
        .where(_t.enabled, _f.deleted_at.is_(None), sa.not_(_f.disabled), *conditions)
        .order_by(_t.namespace, _t.flow, _t.trigger)
        .limit(1000)
    )
    return [row._asdict() for row in conn.execute(statement)]
