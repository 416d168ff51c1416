"""Rows of new executions: inputs checked, labels merged, the place worked out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from rota.errors import NotFound
from rota.executions.identity import new_execution_id
from rota.executions.models import LANGUAGE_VERSION, State
from rota.executions.names import names_for
from rota.executions.values import sealed
from rota.flows.given import parse_inputs
from rota.flows.models import Flow, Subflow
from rota.flows.templates import compile_value
from rota.store import Connection, flows

if TYPE_CHECKING:
    from rota.conductor.live import LiveFrame, Revision
    from rota.conductor.resources import Resources
    from rota.conductor.revisions import Revisions


def execution_row(
    resources: Resources,
    revision: Revision,
    given: Mapping[str, Any],
    *,
    mode: str = "server",
    owner: str | None = None,
    labels: Mapping[str, str] | None = None,
    trigger: Mapping[str, Any] | None = None,
    author: str = "",
) -> dict[str, Any]:
    """Return the row of a new execution. Raises InputError and ExpressionError: nothing has been written then."""
    flow, settings = revision.flow, resources.settings.namespace_settings(revision.namespace)
    timezone = ZoneInfo(flow.timezone or resources.settings.timezone)
    variables = {**settings.variables, **flow.variables}

    def render(default: Any, before: Mapping[str, Any]) -> Any:
        return compile_value(default).render({"inputs": before, "vars": variables, "flow": _flow(revision)})

    inputs = parse_inputs(flow.inputs, given, timezone=timezone, render=render)
    return {
        "id": new_execution_id(),
        "namespace": revision.namespace,
        "flow": flow.id,
        "revision_id": revision.id,
        "state": State.CREATED.value,
        "run": 1,
        "mode": mode,
        "owner": owner,
        "place_key": _place_key(flow, inputs, variables, revision),
        "inputs": sealed(inputs, resources.seal),
        "labels": {**settings.labels, **flow.labels, **(labels or {})} or None,
        "trigger": dict(trigger) if trigger else None,
        "created_at": time.time(),
        "started_at": None,
        "ended_at": None,
        "language": LANGUAGE_VERSION,
        "author": author,
        "problem": None,
        "outputs": None,
        "parent_id": None,
        "parent_path": None,
        "parent_node": None,
        "adoptions": 0,
    }


def subflow_row(
    conn: Connection, frame: LiveFrame, node: str, resources: Resources, owner: str, revisions: Revisions
) -> dict[str, Any]:
    """Return the row of the execution that a `subflow` task starts. Raises NotFound, InputError, ExpressionError."""
    live, step = frame.live, frame.program.nodes[node].step
    assert isinstance(step, Subflow)

    def secret(name: str, **_: Any) -> Any:
        from rota.executions.run_context import RunContext

        return live.view.secrets.get(name, RunContext(live.view, frame.view, node, 1))

    names = names_for(live.view, frame.view, secret)
    wanted = {"flow": step.flow, "namespace": step.namespace or live.view.namespace, "inputs": step.inputs}
    values = {name: compile_value(value).render(names) for name, value in wanted.items()}
    found = flows.get(conn, values["namespace"], values["flow"])
    if found is None:
        raise NotFound(
            f"there is no flow `{values['namespace']}/{values['flow']}`", hint="deploy it: `rota flows deploy`"
        )
    revision = revisions.get(conn, found["revision_id"], values["namespace"])
    row = execution_row(
        resources,
        revision,
        values["inputs"],
        mode=live.row["mode"],
        owner=owner,
        labels={name: str(value) for name, value in live.view.labels.items()},
        trigger={"id": node, "type": "subflow", "event": {"execution": live.id}},
        author=live.row.get("author") or "",
    )
    if not step.wait:
        return {**row, "root_id": row["id"], "parent_id": live.id, "parent_path": frame.path, "parent_node": node}
    return {
        **row,
        "root_id": live.root_id,
        "parent_id": live.id,
        "parent_path": frame.path,
        "parent_node": node,
    }


def _place_key(flow: Flow, inputs: Mapping[str, Any], variables: Mapping[str, Any], revision: Revision) -> str | None:
    if flow.concurrency is None:
        return None
    if flow.concurrency.key is None:
        return ""
    names = {"inputs": inputs, "vars": variables, "labels": flow.labels, "flow": _flow(revision)}
    return str(compile_value(flow.concurrency.key).render(names))


def _flow(revision: Revision) -> dict[str, str]:
    return {"id": revision.flow.id, "namespace": revision.namespace}
