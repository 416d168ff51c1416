"""The names that expressions may use, for one step in one frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from rota.errors import ExpressionError
from rota.executions.models import NodeState, State
from rota.executions.view import ExecutionView, FrameView


class Outputs(Mapping[str, Any]):
    """`outputs`: loaded when touched, seen from one frame outward."""

    def __init__(self, execution: ExecutionView, frame: FrameView) -> None:
        self._execution = execution
        self._frame = frame

    def __getitem__(self, node: str) -> Any:
        frame = self._frame.find(node)
        if frame is None:
            raise KeyError(node)
        return self._execution.host.output(self._execution.id, frame.path, node)

    def __iter__(self) -> Iterator[str]:
        return iter(list(_nodes(self._frame)))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Tasks(Mapping[str, Any]):
    """`tasks`: `tasks.<id>.state` of what is readable from one frame."""

    def __init__(self, frame: FrameView) -> None:
        self._frame = frame

    def __getitem__(self, node: str) -> dict[str, str]:
        frame = self._frame.find(node)
        if frame is None:
            raise KeyError(node)
        found = frame.nodes.get(node)
        return {"state": (found.state if found is not None else State.CREATED).value}

    def __iter__(self) -> Iterator[str]:
        return iter(list(_nodes(self._frame)))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _nodes(frame: FrameView | None) -> Iterator[str]:
    """Yield the nodes that are readable from `frame`; the conductor may add to them meanwhile."""
    while frame is not None:
        yield from (node for node in list(frame.nodes) if node)
        frame = frame.parent


def names_for(
    execution: ExecutionView,
    frame: FrameView,
    secret: Callable[..., Any] | None,
    *,
    task: Mapping[str, Any] | None = None,
    error: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return every name that an expression in `frame` may use.

    Without `secret` the expression steers the flow, and naming a secret there is an error.
    """
    outputs = Outputs(execution, frame)
    names: dict[str, Any] = {
        "inputs": execution.inputs,
        "vars": _variables(execution, outputs),
        "labels": execution.labels,
        "trigger": execution.trigger,
        "execution": {
            "id": execution.id,
            "state": _state_of(frame),
            "started_at": execution.started_at,
            "run": execution.run,
        },
        "flow": {"id": execution.flow, "namespace": execution.namespace, "timezone": execution.timezone},
        "outputs": outputs,
        "tasks": Tasks(frame),
        "task": task or {},
        "error": error or {},
        "now": lambda: datetime.now(_zone(execution.timezone)),
        "kv": execution.host.kv(execution.namespace).get,
        "file": _file_reader(execution),
        "read": _artifact_reader(execution, frame),
        "secret": secret or no_secret("here: it would steer the flow"),
    }
    _add_iteration(names, frame)
    return names


def _add_iteration(names: dict[str, Any], frame: FrameView) -> None:
    """The nearest iteration gives `item`, `index` and `key`; the nearest fleet gives `target`."""
    nearest = frame if frame.index is not None else None
    if nearest is not None:
        names["item"], names["index"], names["key"] = nearest.item, nearest.index, nearest.key
        target = frame.target()
        if target is not None:
            names["target"] = target


def _variables(execution: ExecutionView, outputs: Outputs) -> Mapping[str, Any]:
    if not execution.setters:
        return execution.variables
    merged = dict(execution.variables)
    for node in execution.setters:
        try:
            merged.update(outputs[node] or {})
        except KeyError:
            continue
    return merged


def error_names(state: NodeState | None, frame: FrameView) -> dict[str, Any]:
    """Return `error` for the tasks of an `errors` block, from the state of the scope that failed."""
    problem = state.problem if state is not None else None
    if problem is None:
        return {}
    return {
        "task": problem.task,
        "target": problem.target or frame.key,
        "message": problem.message,
        "type": problem.type,
        "attempt": problem.attempt,
    }


def _state_of(frame: FrameView) -> str:
    """Return what the execution is about to become once its `errors` or `finally` run, and `running` before."""
    while frame.parent is not None:
        frame = frame.parent
    root = frame.nodes.get("")
    if root is None or root.phase not in ("errors", "finally"):
        return State.RUNNING.value
    return str(root.data.get("outcome", State.RUNNING))


@lru_cache(maxsize=64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def no_secret(why: str) -> Callable[..., Any]:
    """Return a `secret()` that says why there is none."""

    def refuse(name: str = "", **_: Any) -> Any:
        raise ExpressionError(
            f"secret `{name}` cannot be used {why}", hint="use `secret()` in fields of tasks that run on a worker"
        )

    return refuse


def _file_reader(execution: ExecutionView) -> Callable[[str], str]:
    def file(path: str) -> str:
        data = execution.files.get(path)
        if data is None:
            raise ExpressionError(f"the flow has no file `{path}`", hint="add it to `files`")
        return data.decode("utf-8", "replace")

    return file


def _artifact_reader(execution: ExecutionView, frame: FrameView) -> Callable[[Any], str]:
    def read(artifact: Any) -> str:
        limit = 16 << 20
        with execution.host.artifacts(execution.id, frame.path, "").open(artifact) as stream:
            data = stream.read(limit + 1)
        if len(data) > limit:
            raise ExpressionError(f"the artifact is larger than {limit >> 20} MiB", hint="give it to a task as a file")
        return data.decode("utf-8", "replace")

    return read
