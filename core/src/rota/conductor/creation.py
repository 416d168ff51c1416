"""Rows of new executions: inputs checked, labels merged, the place worked out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo

from rota.conductor.views import trigger_names
from rota.errors import ExpressionError, NotFound
from rota.executions.identity import new_execution_id
from rota.executions.interpreter.values import is_template
from rota.executions.models import LANGUAGE_VERSION, State
from rota.executions.values import sealed
from rota.flows.given import parse_inputs
from rota.flows.models import Flow, Subflow
from rota.flows.templates import compile_value, is_secret
from rota.store import Connection, flows
from rota.store.columns import storable

if TYPE_CHECKING:
    from rota.conductor.live import LiveFrame
    from rota.conductor.resources import Resources
    from rota.conductor.revisions import Revisions


class FlowOfRevision(Protocol):
    """A flow, and the revision and namespace in which it runs."""

    @property
    def id(self) -> int: ...
    @property
    def namespace(self) -> str: ...
    @property
    def flow(self) -> Flow: ...


def execution_row(
    resources: Resources,
    revision: FlowOfRevision,
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
    timezone = flow.timezone or resources.settings.timezone
    zone = ZoneInfo(timezone)
    variables = {**settings.variables, **flow.variables}
    created_at = time.time()
    execution_id = new_execution_id()
    names: dict[str, Any] = {
        "vars": {name: value for name, value in variables.items() if not is_template(value)},
        "flow": {"id": flow.id, "namespace": revision.namespace, "timezone": timezone},
        "trigger": trigger_names(trigger, created_at, zone),
        "now": lambda: datetime.now(zone),
    }

    def render(default: Any, before: Mapping[str, Any]) -> Any:
        return compile_value(default).render({**names, "inputs": before})

    inputs = parse_inputs(flow.inputs, given, timezone=zone, render=render)
    inputs = names["inputs"] = stored_files(inputs, execution_id, resources)
    rendered = _rendered(variables, names)
    names["labels"] = {**settings.labels, **_labels(flow.labels, names), **(labels or {})}
    return {
        "id": execution_id,
        "root_id": execution_id,
        "namespace": revision.namespace,
        "flow": flow.id,
        "revision_id": revision.id,
        "state": State.CREATED.value,
        "run": 1,
        "mode": mode,
        "owner": owner,
        "place_key": _place_key(flow, names),
        "inputs": sealed(inputs, resources.seal),
        "variables": None if rendered is None else sealed(rendered, resources.seal),
        "labels": names["labels"] or None,
        "trigger": sealed(dict(trigger), resources.seal) if trigger else None,
        "created_at": created_at,
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
    conn: Connection,
    frame: LiveFrame,
    node: str,
    rendered: Mapping[str, Any],
    resources: Resources,
    owner: str,
    revisions: Revisions,
) -> dict[str, Any]:
    """Return the row of the execution that a `subflow` task starts, with what was `rendered` of its fields.

    Raises NotFound, InputError, ExpressionError.
    """
    live, step = frame.live, frame.program.nodes[node].step
    assert isinstance(step, Subflow)
    wanted = {"flow": step.flow, "namespace": step.namespace or live.view.namespace, "inputs": step.inputs}
    values = {
        name: rendered[name] if name in rendered else compile_value(value).render({}) for name, value in wanted.items()
    }
    for name in ("flow", "namespace"):
        values[name] = _text(values[name], f"`{name}` of a subflow")
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
        "root_id": live.family,
        "parent_id": live.id,
        "parent_path": frame.path,
        "parent_node": node,
    }


def stored_files(inputs: dict[str, Any], execution_id: str, resources: Resources) -> dict[str, Any]:
    """Return `inputs` with local files stored: a worker elsewhere may need them."""
    found = dict(inputs)
    for name, value in inputs.items():
        if isinstance(value, Path):
            from rota.store.artifacts import TaskArtifacts

            found[name] = TaskArtifacts(resources.store, resources.artifacts, execution_id, "", "").save(value)
    return found


def _rendered(variables: Mapping[str, Any], names: dict[str, Any]) -> dict[str, Any] | None:
    """Render the variables that hold expressions, each with those before it; None where none does."""
    if not is_template(dict(variables)):
        return None
    for name, value in variables.items():
        names["vars"] = {**names["vars"], name: compile_value(value).render(names)}
    found: dict[str, Any] = names["vars"]
    return found


def _labels(labels: Mapping[str, str], names: Mapping[str, Any]) -> dict[str, str]:
    return {name: _text(compile_value(value).render(names), f"the label `{name}`") for name, value in labels.items()}


def _place_key(flow: Flow, names: Mapping[str, Any]) -> str | None:
    if flow.concurrency is None:
        return None
    if flow.concurrency.key is None:
        return ""
    return _text(compile_value(flow.concurrency.key).render(names), "the key of `concurrency`")


def _text(value: Any, what: str) -> str:
    """Return what steers the flow as text. Raises ExpressionError for a secret, and for what is no text."""
    if is_secret(value):
        raise ExpressionError(f"{what} uses a secret, which may not steer a flow")
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, (str, int, float)):
        raise ExpressionError(f"{what} must be text, it is of type `{type(value).__name__}`")
    return storable(str(value))
