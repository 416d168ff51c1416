"""Restarting an execution: what will run, what will run again, and the going on."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rota.conductor.revisions import Revisions
from rota.errors import Conflict, NotFound
from rota.executions.interpreter.program import FrameProgram, Node, Program
from rota.store import commands, executions, flows, iterations, outbox, task_runs

if TYPE_CHECKING:
    from rota.server.application import Application

Row = dict[str, Any]
ENDED = ("success", "warning", "failed", "cancelled")
WELL = ("success", "skipped")


def plan(app: Application, id: str, targets: Sequence[str] | None) -> Row:
    """Return what a restart runs, what it runs again although it had ended well, and what may not be run again.

    `runs` and `again` are lists of task runs such as `backup[db-17]/dump`; a whole iteration scope that has
    not been reached yet is one entry. `lost` are the lost runs of tasks that are not idempotent.
    """
    with app.store.read() as conn:
        row = executions.get(conn, id)
        assert row is not None
        revision = Revisions(app.resources).get(conn, row["revision_id"], row["namespace"])
        runs = _all_runs(conn, id)
        undone = _undone(conn, id, targets)
    states = {(run["path"], run["node"]): _state(run) for run in runs}
    found: Row = {"runs": [], "again": [], "lost": []}
    for path, node, again in _frame(revision.program, "", revision.program.frames[""], states, undone):
        found["again" if again else "runs"].append(f"{path}/{node}" if path else node)
    for run in runs:
        prepared = revision.prepared.get(run["node"])
        if run["state"] == "lost" and prepared is not None and not prepared.may_run_again:
            found["lost"].append(f"{run['path']}/{run['node']}" if run["path"] else run["node"])
    return found


def restart(
    app: Application, id: str, targets: Sequence[str] | None, *, run_lost: bool, revision: str | None, author: str
) -> str:
    """Go on with an execution that has ended; see `Executions.restart`."""
    _ = app.writable  # marks what a process that died has left, which may be this execution
    row = app.executions.get(id)
    if row["state"] not in ENDED:
        raise Conflict(f"execution {id} has not ended: it is {row['state']}", hint="cancel it first, or wait")
    if row["state"] == "success" and targets is None:
        raise Conflict(f"execution {id} has succeeded: there is nothing to go on with", hint="`rota executions replay`")
    lost = plan(app, id, targets)["lost"]
    if lost and not run_lost:
        names = ", ".join(f"`{name}`" for name in lost[:5]) + (" …" if len(lost) > 5 else "")
        raise Conflict(
            f"nobody knows whether {names} took effect before being lost",
            hint="look there, then restart with --run-lost to run them again",
        )
    _check_targets(app, id, targets)
    if revision == "latest":
        _take_latest(app, row)
    payload = {"targets": list(targets) if targets is not None else None}
    elsewhere = row["mode"] == "server" and app.running is None and app.executions.server_is_alive()
    if elsewhere:
        _leave_to_server(app, row, payload, author)
    else:
        _restart_here(app, id, payload["targets"])
    return id


def _restart_here(app: Application, id: str, targets: list[str] | None) -> None:
    conductor = app.conductor()

    def go_on() -> None:
        with app.store.read() as conn:
            row = executions.get(conn, id)
            assert row is not None
            live = conductor.lifecycle.adopt_row(conn, row)
        conductor.rebuilding.restart(live, targets=targets)

    conductor.call(go_on)


def _leave_to_server(app: Application, row: Row, payload: Row, author: str) -> None:
    """Make the execution one that a server takes, with the command that it then finds."""
    now = time.time()
    with app.writable.write() as conn:
        commands.add(conn, row["id"], "restart", payload, author=author, at=now)
        executions.update(conn, row["id"], state="created", ended_at=None, owner=None)
        outbox.add(conn, [{"execution_id": row["id"], "run": row["run"] + 1, "state": "created", "created_at": now}])
        app.store.notify(conn, "executions")


def _check_targets(app: Application, id: str, targets: Sequence[str] | None) -> None:
    if targets is None:
        return
    known: set[str] = set()
    with app.store.read() as conn:
        for run in task_runs.page(conn, id, limit=100_000):
            if run["type"] in ("foreach", "fleet"):
                known |= iterations.indexes(conn, id, run["path"], run["node"], list(targets)).keys()
    missing = [target for target in targets if target not in known]
    if missing:
        raise NotFound(f"there is no target `{missing[0]}` in this execution", hint="`rota executions show` lists them")


def _take_latest(app: Application, row: Row) -> None:
    """Use the flow's newest revision; the ids of what succeeded must still be there."""
    with app.store.read() as conn:
        found = flows.get(conn, row["namespace"], row["flow"])
        if found is None:
            raise NotFound(f"there is no deployed flow `{row['namespace']}/{row['flow']}`", hint="deploy it first")
        latest = Revisions(app.resources).get(conn, found["revision_id"], row["namespace"])
        done = {run["node"] for run in _all_runs(conn, row["id"]) if run["node"] and run["state"] in WELL}
    known = {node for frame in latest.program.frames.values() for node in frame.nodes}
    if gone := sorted(done - known):
        raise Conflict(
            f"the latest revision has no task `{gone[0]}` any more, which has succeeded in this execution",
            hint="restart with the same revision, or replay",
        )
    with app.writable.write() as conn:
        executions.update(conn, row["id"], revision_id=found["revision_id"])


def _state(run: Row) -> str:
    """The state of a task run, as far as a restart goes: a warning that left something undone is a failure."""
    left = run["state"] == "warning" and (run["data"] or {}).get("left")
    return "failed" if left else str(run["state"])


def _all_runs(conn: Any, id: str) -> list[Row]:
    return task_runs.of_execution(conn, id)


def _undone(conn: Any, id: str, targets: Sequence[str] | None) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    runs = task_runs.of_execution(conn, id)
    left = {run["path"] for run in runs if not run["node"] and _state(run) == "failed"}
    for run in runs:
        if not run["node"] or run["type"] not in ("foreach", "fleet", "repeat"):
            continue
        rows = iterations.page(conn, id, run["path"], run["node"], limit=None, items=False)
        path = f"{run['path']}/{run['node']}".lstrip("/")
        found[(run["path"], run["node"])] = [
            row["key"]
            for row in rows
            if (
                row["key"] in targets
                if targets
                else row["state"] not in (*WELL, "warning") or f"{path}[{row['key']}]" in left
            )
        ]
    return found


def _frame(
    program: Program,
    path: str,
    frame: FrameProgram,
    states: dict[tuple[str, str], str],
    undone: dict[tuple[str, str], list[str]],
) -> Iterator[tuple[str, str, bool]]:
    """Yield (path, node, again) for every task that a restart of this frame runs, in order."""
    for block in frame.root.blocks.values():
        yield from _block(program, path, block, states, undone)
    for node in (*frame.root.errors, *frame.root.finally_):
        if (path, node.id) in states:
            yield path, node.id, states[(path, node.id)] in WELL


def _block(
    program: Program,
    path: str,
    nodes: Sequence[Node],
    states: dict[tuple[str, str], str],
    undone: dict[tuple[str, str], list[str]],
) -> Iterator[tuple[str, str, bool]]:
    parallel = bool(nodes) and nodes[0].parent is not None and nodes[0].parent.kind == "parallel"
    rerun: set[str] = set()
    for node in nodes:
        state = states.get((path, node.id))
        after = bool(rerun) and (not parallel or bool(rerun.intersection(getattr(node.step, "needs", None) or ())))
        if state in (*WELL, "warning") and not after:
            continue
        rerun.add(node.id)
        yield from _node(program, path, node, state, states, undone, whole=after)


def _node(
    program: Program,
    path: str,
    node: Node,
    state: str | None,
    states: dict[tuple[str, str], str],
    undone: dict[tuple[str, str], list[str]],
    *,
    whole: bool,
) -> Iterator[tuple[str, str, bool]]:
    if node.id in program.frames and (path, node.id) in undone and not whole:
        for key in undone[(path, node.id)]:
            inner = f"{path}/{node.id}[{key}]" if path else f"{node.id}[{key}]"
            yield from _frame(program, inner, program.frames[node.id], states, undone)
    elif node.scope and node.id not in program.frames and not whole:
        for block in node.blocks.values():
            yield from _block(program, path, block, states, undone)
    else:
        yield path, node.id, state in WELL
