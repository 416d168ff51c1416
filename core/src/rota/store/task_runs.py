"""Task runs: what is kept of each node of each frame, and the earlier attempts of a task."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from rota.store.bulk import Bulk, Line, Row
from rota.store.tables import attempts, task_runs

_t = task_runs.c
_KEY = ("execution_id", "path", "node")
_CHANGING = tuple(column.name for column in task_runs.c if column.name not in _KEY)
_SAVE = Bulk(task_runs, update=_CHANGING, keep=("output", "progress", "plugin", "pid", "queued_at", "started_at"))
LINE = tuple(column.name for column in task_runs.c if column.name not in {"progress", "pid", "queued_at"})
"""The columns of `save_lines`, in order."""
_SAVE_LINES = Bulk(task_runs, columns=LINE, update=LINE[len(_KEY) :], keep=("output", "plugin", "started_at"))
_SAVE_ATTEMPTS = Bulk(attempts, update=("state", "problem", "started_at", "ended_at"))
_LIGHT = [column for column in _t if column.name != "output"]
_NODE = (
    _t.execution_id == sa.bindparam("execution_id"),
    _t.path == sa.bindparam("path"),
    _t.node == sa.bindparam("node"),
)
_OF_EXECUTION = sa.select(*_LIGHT).where(_NODE[0]).order_by(_t.path, _t.node)
_OF_FRAME = sa.select(*_LIGHT).where(*_NODE[:2])
_OUTPUT = sa.select(_t.output).where(*_NODE)
_WHERE = [_t[name] == sa.bindparam(f"b_{name}") for name in _KEY]
_SET_OUTPUT = sa.update(task_runs).where(*_WHERE).values(output=sa.bindparam("b_output"))
_PROGRESS = sa.update(task_runs).where(*_WHERE).values(progress=sa.bindparam("b_progress", type_=_t.progress.type))


def save(conn: sa.Connection, rows: Sequence[Row]) -> None:
    """Insert or replace task runs, all columns of each. An `output` (JSON text) of None leaves what is there."""
    _SAVE(conn, rows)


def save_lines(conn: sa.Connection, lines: Sequence[Line]) -> None:
    """Insert or replace task runs, given as tuples of the columns `LINE`, JSON as text; otherwise as `save` does."""
    _SAVE_LINES.lines(conn, lines)


def save_attempts(conn: sa.Connection, rows: Sequence[Row]) -> None:
    """Insert or replace earlier attempts: `execution_id, path, node, attempt, state, problem, started_at, ended_at`."""
    _SAVE_ATTEMPTS(conn, rows)


def save_progress(conn: sa.Connection, rows: Sequence[Row]) -> None:
    """Set `progress` alone of many task runs: `execution_id, path, node, progress`."""
    if rows:
        conn.execute(_PROGRESS, [{f"b_{name}": row[name] for name in (*_KEY, "progress")} for row in rows])


def set_output(conn: sa.Connection, execution_id: str, path: str, node: str, output: str | None) -> None:
    """Replace the output (JSON text) of a task run, or remove it."""
    values = {"b_execution_id": execution_id, "b_path": path, "b_node": node, "b_output": output}
    conn.execute(_SET_OUTPUT, values)


def set_pids(conn: sa.Connection, execution_id: str, path: str, node: str, pids: Sequence[Sequence[Any]]) -> None:
    """Put the child programs of a task run on record: `[[pid, start time], …]`."""
    where = (_t.execution_id == execution_id, _t.path == path, _t.node == node)
    conn.execute(sa.update(task_runs).where(*where).values(pid=list(pids)))


def of_execution(conn: sa.Connection, execution_id: str) -> list[dict[str, Any]]:
    """Return all task runs of an execution without their outputs, by path and node."""
    return [row._asdict() for row in conn.execute(_OF_EXECUTION, {"execution_id": execution_id})]


def of_frame(conn: sa.Connection, execution_id: str, path: str) -> list[dict[str, Any]]:
    """Return the task runs of one frame without their outputs."""
    return [row._asdict() for row in conn.execute(_OF_FRAME, {"execution_id": execution_id, "path": path})]


def of_executions(conn: sa.Connection, ids: Sequence[str], states: Iterable[str] = ()) -> list[dict[str, Any]]:
    """Return the task runs of several executions (in some states) without their outputs."""
    statement = sa.select(*_LIGHT).where(_t.execution_id.in_(ids)).order_by(_t.execution_id, _t.path, _t.node)
    if wanted := tuple(states):
        statement = statement.where(_t.state.in_(wanted))
    return [row._asdict() for row in conn.execute(statement)]


def get(conn: sa.Connection, execution_id: str, path: str, node: str) -> dict[str, Any] | None:
    """Return one task run, its output (JSON text) too, or None."""
    statement = sa.select(task_runs).where(*_NODE)
    row = conn.execute(statement, {"execution_id": execution_id, "path": path, "node": node}).one_or_none()
    return None if row is None else row._asdict()


def output(conn: sa.Connection, execution_id: str, path: str, node: str) -> str | None:
    """Return the output of a task run as JSON text, or None."""
    return conn.execute(_OUTPUT, {"execution_id": execution_id, "path": path, "node": node}).scalar()


def outputs(conn: sa.Connection, execution_id: str, path: str, nodes: Sequence[str]) -> dict[str, str]:
    """Return the outputs (JSON text) of several task runs of a frame, by node; those without one are left out."""
    statement = sa.select(_t.node, _t.output).where(
        _t.execution_id == execution_id, _t.path == path, _t.node.in_(nodes), _t.output.is_not(None)
    )
    return dict(conn.execute(statement).all())


def page(
    conn: sa.Connection,
    execution_id: str,
    *,
    path: str | None = None,
    states: Iterable[str] = (),
    after: tuple[str, str] | None = None,
    limit: int = 200,
) -> list[dict[str, Any]]:
    """Return up to `limit` task runs without their outputs, by path and node; `after` is (path, node) of the last."""
    statement = sa.select(*_LIGHT).where(_t.execution_id == execution_id).order_by(_t.path, _t.node).limit(limit)
    if path is not None:
        statement = statement.where(_t.path == path)
    if wanted := tuple(states):
        statement = statement.where(_t.state.in_(wanted))
    if after is not None:
        statement = statement.where(sa.tuple_(_t.path, _t.node) > sa.tuple_(*after))
    return [row._asdict() for row in conn.execute(statement)]


def attempts_of(
    conn: sa.Connection, execution_id: str, path: str | None = None, node: str | None = None
) -> list[dict[str, Any]]:
    """Return the earlier attempts of an execution, a frame or a task run, in order."""
    a = attempts.c
    statement = sa.select(attempts).where(a.execution_id == execution_id).order_by(a.path, a.node, a.attempt)
    if path is not None:
        statement = statement.where(a.path == path)
    if node is not None:
        statement = statement.where(a.node == node)
    return [row._asdict() for row in conn.execute(statement)]
