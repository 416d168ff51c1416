"""Executions and frames in memory, while a conductor drives them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from rota.executions.interpreter.frame import Frame
from rota.executions.interpreter.program import FrameProgram, Program
from rota.executions.models import NodeState, Problem, State
from rota.executions.prepare import Prepared
from rota.executions.view import ExecutionView, FrameView
from rota.executions.worker import Assignment
from rota.flows.models import Flow


@dataclass(slots=True, frozen=True)
class Revision:
    """A revision made ready to run: parsed, compiled, its tasks prepared; shared by all its executions."""

    id: int
    namespace: str
    flow: Flow
    program: Program
    prepared: dict[str, Prepared]
    setters: tuple[str, ...]
    files: dict[str, str]
    """Path to SHA-256 of the flow's files."""


@dataclass(slots=True, eq=False)
class LiveFrame:
    """One frame with its place in the execution. `times` are those of the changes not yet written."""

    live: Live
    frame: Frame
    view: FrameView
    program: FrameProgram
    parent: LiveFrame | None = None
    parent_node: str = ""
    index: int = -1
    urgent: bool = False
    assignments: dict[str, Assignment] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    """Outputs of this batch, as JSON text, by node."""
    started: dict[str, float] = field(default_factory=dict)
    children: dict[tuple[str, int], LiveFrame] = field(default_factory=dict)
    collected: Any = None
    """What `collect` gave, JSON values, until the frame's row is written."""
    ended: bool = False

    @property
    def path(self) -> str:
        return self.view.path

    def chain(self) -> Iterable[LiveFrame]:
        """This frame and those outward."""
        frame: LiveFrame | None = self
        while frame is not None:
            yield frame
            frame = frame.parent


@dataclass(slots=True, eq=False)
class Live:
    """One execution that this conductor owns."""

    id: str
    row: dict[str, Any]
    revision: Revision
    view: ExecutionView
    state: State
    run: int
    root: LiveFrame | None = None
    parent: tuple[Live, LiveFrame, str] | None = None
    """The subflow task that waits for this execution: its execution, frame and node."""
    children: dict[tuple[str, str], Live] = field(default_factory=dict)
    problem: Problem | None = None
    outputs: Any = None
    started_at: float | None = None
    ended_at: float | None = None
    abandoned: int = 0
    deferred: list[Callable[[], None]] = field(default_factory=list)
    """What is put off until the threads that were given up have ended: their locks stay held."""
    windows: OrderedDict[tuple[str, str, int], list[dict[str, Any]]] = field(default_factory=OrderedDict)
    """Rows of frozen lists, a page at a time, by path, node and number of the page."""
    progressed: bool = False

    @property
    def root_id(self) -> str:
        return str(self.row["root_id"])

    def frame_of(self, path: str) -> LiveFrame | None:
        """Return the open frame at `path`, or None."""
        stack = [self.root] if self.root is not None else []
        while stack:
            frame = stack.pop()
            if frame.path == path:
                return frame
            stack.extend(child for child in frame.children.values() if path.startswith(child.path))
        return None


def child_path(path: str, node: str, key: str) -> str:
    """Return the path of an iteration's frame: `backup[db-17]`, inside another frame `outer[a]/inner[b]`."""
    own = f"{node}[{key}]"
    return f"{path}/{own}" if path else own


def node_row(frame: LiveFrame, state: NodeState, now: float) -> dict[str, Any]:
    """Return the row of a node that changed."""
    node = frame.program.nodes[state.node]
    step = node.step
    ended = state.state.ended
    prepared = frame.live.revision.prepared.get(state.node)
    assignment = frame.assignments.get(state.node)
    started = frame.started.get(state.node)
    if started is None and (ended or state.state is State.RUNNING):
        started = frame.started[state.node] = now
    return {
        "execution_id": frame.live.id,
        "path": frame.path,
        "node": state.node,
        "type": getattr(step, "type", node.kind),
        "state": state.state.value,
        "attempt": state.attempt,
        "round": state.round,
        "phase": state.phase,
        "problem": problem_json(state.problem),
        "data": state.data or None,
        "output": frame.outputs.get(state.node),
        "progress": None,
        "plugin": prepared.plugin if prepared is not None else None,
        "pid": getattr(assignment, "pid", None),
        "queued_at": None,
        "started_at": None if state.state in (State.SKIPPED, State.NOT_STARTED) else started,
        "ended_at": now if ended else None,
    }


def problem_json(problem: Problem | None) -> dict[str, Any] | None:
    """Return a problem as JSON values, without what is empty."""
    if problem is None:
        return None
    found = {name: getattr(problem, name) for name in ("type", "message", "task", "target", "attempt")}
    kept = {name: value for name, value in found.items() if value}
    if not problem.retryable:
        kept["retryable"] = False
    return kept
