"""Answering what waits for a person: a `pause`, the approval of a batch, a breach."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from rota.conductor.creation import stored_files
from rota.conductor.revisions import Revisions
from rota.errors import Conflict, UsageError
from rota.executions.interpreter.program import ROOT
from rota.executions.names import names_for
from rota.executions.values import sealed
from rota.executions.view import FrameView
from rota.flows.given import parse_inputs
from rota.flows.models import Fleet, Pause
from rota.flows.templates import compile_value
from rota.store import commands, task_runs

if TYPE_CHECKING:
    from rota.flows.inputs import InputKeys
    from rota.server.application import Application

Row = dict[str, Any]


def waiting(app: Application, id: str) -> list[Row]:
    """Return the task runs of an execution that wait for a person."""
    with app.store.read() as conn:
        found = task_runs.of_executions(conn, [id], states=("paused", "running"))
    return [row for row in found if row["node"] and (row["state"] == "paused" or (row["data"] or {}).get("asking"))]


def resume(
    app: Application, id: str, task: str | None, inputs: Mapping[str, Any], *, reject: bool, author: str
) -> None:
    """Send the answer to the owner of the execution; see `Executions.resume`."""
    run = _one(waiting(app, id), id, task)
    answers = None
    step = _step(app, id, run["node"])
    allowed = _approvers(step)
    if allowed and author not in allowed:
        raise Conflict(f"`{author}` may not resume `{run['node']}`", hint=f"ask one of {', '.join(allowed)}")
    if isinstance(step, Pause):
        if not reject:
            answers = json.dumps(sealed({**_answers(app, id, step, inputs), "by": author}, app.resources.seal))
    elif inputs:
        raise UsageError(f"`{run['node']}` takes no inputs: it waits for a yes or no")
    payload = {"path": run["path"], "node": run["node"], "inputs": answers, "reject": reject}
    with app.writable.write() as conn:
        commands.add(conn, id, "resume", payload, author=author, at=time.time())
        app.store.notify(conn, "commands")
    if app.running is not None:
        app.running.look()


def questions(app: Application, id: str, task: str | None) -> list[InputKeys]:
    """Return the inputs that the task which waits asks for; see `Executions.questions`."""
    step = _step(app, id, _one(waiting(app, id), id, task)["node"])
    return list(step.inputs) if isinstance(step, Pause) else []


def _approvers(step: Any) -> list[str]:
    """Who may answer; nobody named is everybody."""
    if isinstance(step, Pause):
        return step.approvers
    if isinstance(step, Fleet) and step.rollout.approve is not None:
        return step.rollout.approve.by
    return []


def _answers(app: Application, id: str, step: Pause, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the typed answers; a default may use what the execution was started with."""
    from rota.conductor.host import LocalHost
    from rota.conductor.logbuffer import LogBuffer
    from rota.conductor.views import view_of

    row = app.executions.get(id)
    revision = Revisions(app.resources).get(None, row["revision_id"], row["namespace"])
    host = LocalHost(app.resources, lambda _: None, LogBuffer(lambda: None), 0)
    view = view_of(row, revision, app.resources, host)
    names = names_for(view, FrameView("", {}, revision.program.frames[ROOT].nodes.__contains__), None)

    def render(default: Any, before: Mapping[str, Any]) -> Any:
        return compile_value(default).render({**names, "inputs": {**view.inputs, **before}})

    zone = ZoneInfo(view.timezone)
    return stored_files(parse_inputs(step.inputs, given, timezone=zone, render=render), id, app.resources)


def _step(app: Application, id: str, node: str) -> Any:
    row = app.executions.get(id)
    with app.store.read() as conn:
        revision = Revisions(app.resources).get(conn, row["revision_id"], row["namespace"])
    return next((frame.nodes[node].step for frame in revision.program.frames.values() if node in frame.nodes), None)


def _one(found: list[Row], id: str, task: str | None) -> Row:
    names = {f"{row['path']}/{row['node']}" if row["path"] else row["node"]: row for row in found}
    matching = [row for name, row in names.items() if task in (name, row["node"])] if task is not None else found
    if not matching:
        raise Conflict(f"nothing in execution {id} waits for a person" + (f" as `{task}`" if task else ""))
    if len(matching) > 1:
        raise UsageError("more than one task waits", hint=f"name one with --task: {', '.join(sorted(names))}")
    return matching[0]
