"""Executions and frames in memory, while a conductor drives them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from rota.executions.interpreter.frame import Frame
from rota.executions.interpreter.program import FrameProgram, Node, Program
from rota.executions.models import ENDED, Problem, State
from rota.executions.prepare import Prepared
from rota.executions.view import ExecutionView, FrameView
from rota.executions.worker import Assignment
from rota.flows.models import Flow
from rota.store.bulk import Line
from rota.store.columns import dumps


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
    types: dict[Node, tuple[str, str | None]] = field(default_factory=dict)
    """The type of each node that was written, and the version of its plugin."""


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
    family: str
    """The root of the tree of subflows that are waited for."""
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
    adoptions: int = 0
    """How often the family was taken over since it last got on, as its row says."""
    gone: bool = False
    """It is ours no more, or was given up: nothing of it is applied or started."""
    starting: set[tuple[str, str]] = field(default_factory=set)
    """Subflows whose start was put off for a moment, by path and node."""
    first_event: Any = None
    """What it goes on with once it has its place, where that is not `Start`."""
    rendered: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    """What subflows are about to be started with, by path and node; there may be secrets in it."""
    timed: bool = False
    """Whether it may have timers in the store."""
    locked: bool = False
    """Whether it may hold or wait for locks."""
    leased: bool = False
    """Whether it may have leases of secrets: what began in this process tells by its `secrets`."""

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


def node_lines(frame: LiveFrame, now: float) -> list[Line]:
    """Return the rows of the nodes of `frame` that changed, as `task_runs.save_lines` takes them."""
    execution, path, outputs, started = frame.live.id, frame.view.path, frame.outputs, frame.started
    types, nodes = frame.live.revision.types, frame.program.nodes
    lines: list[Line] = []
    for state in frame.frame.take_changes():
        name, value, problem, data = state.node, state.state, state.problem, state.data
        kind = types.get(nodes[name]) or _type_of(frame, nodes[name])
        ended = value in ENDED
        since = started.get(name)
        if since is None and (ended or value is State.RUNNING):
            since = started[name] = now
        lines.append(
            (
                execution,
                path,
                name,
                kind[0],
                _TEXT[value],
                state.attempt,
                state.round,
                state.phase,
                None if problem is None else dumps(problem_json(problem)),
                dumps(data) if data else None,
                outputs.get(name),
                kind[1],
                None if value is State.SKIPPED or value is State.NOT_STARTED else since,
                now if ended else None,
            )
        )
    return lines


def _type_of(frame: LiveFrame, node: Node) -> tuple[str, str | None]:
    revision = frame.live.revision
    prepared = revision.prepared.get(node.id)
    plugin = prepared.plugin if prepared is not None else None
    found = revision.types[node] = (getattr(node.step, "type", node.kind), plugin)
    return found


_TEXT = {state: state.value for state in State}


def problem_json(problem: Problem | None) -> dict[str, Any] | None:
    """Return a problem as JSON values, without what is empty."""
    if problem is None:
        return None
    found = {name: getattr(problem, name) for name in ("type", "message", "task", "target", "attempt")}
    kept = {name: value for name, value in found.items() if value}
    if not problem.retryable:
        kept["retryable"] = False
    return kept
