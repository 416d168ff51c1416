"""What a worker may see of an execution and of the frame that a step stands in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from rota.context import KeyValue, ProcessResult
from rota.executions.clients import ClientPool
from rota.executions.masking import Masker
from rota.executions.models import NodeState

if TYPE_CHECKING:
    from rota.context import Artifacts
    from rota.executions.processes import Program
    from rota.executions.run_context import RunContext
    from rota.executions.secrets import ExecutionSecrets


class Host(Protocol):
    """What a driver provides to the steps that it runs. Everything here is called from worker threads."""

    def output(self, execution_id: str, path: str, node: str) -> Any:
        """Return the output of a task run or the rows of an iteration scope. Raises KeyError if there is none."""

    def log(
        self, execution_id: str, path: str, node: str, attempt: int, level: str, message: str, fields: Mapping[str, Any]
    ) -> None:
        """Take one masked line of the log."""

    def log_lines(
        self, execution_id: str, path: str, node: str, attempt: int, level: str, lines: Sequence[str]
    ) -> None:
        """Take many masked lines of the log."""

    def kv(self, namespace: str) -> KeyValue: ...

    def artifacts(self, execution_id: str, path: str, node: str) -> Artifacts: ...

    def state(self, execution_id: str, path: str, node: str) -> Any:
        """Return the durable mapping of a task run."""

    def metric(
        self, execution_id: str, path: str, node: str, attempt: int, name: str, value: float, tags: Mapping[str, str]
    ) -> None: ...

    def progress(self, execution_id: str, path: str, node: str, done: float, total: float | None) -> None: ...

    def partial(self, execution_id: str, path: str, node: str, output: str) -> None:
        """Keep the JSON text of a partial output, in case the task does not get to return one."""

    def run_process(self, ctx: RunContext, program: Program) -> ProcessResult:
        """Run a child program under the reaper: see `rota.executions.process`."""

    def seal(self, text: str) -> str: ...

    def unseal(self, token: str) -> str: ...


@dataclass(slots=True)
class ExecutionView:
    """The part of an execution that all its steps share."""

    id: str
    namespace: str
    flow: str
    run: int
    started_at: datetime
    inputs: Mapping[str, Any]
    variables: Mapping[str, Any]
    labels: Mapping[str, str]
    trigger: Mapping[str, Any]
    timezone: str
    workdir: Path
    files: Mapping[str, bytes]
    run_as: str | None
    secrets: ExecutionSecrets
    masker: Masker
    clients: ClientPool
    host: Host
    setters: tuple[str, ...] = ()
    """The `set` tasks of the flow in document order: their outputs lie over `variables`."""


@dataclass(slots=True)
class FrameView:
    """One frame as its steps see it: its own nodes, then outward."""

    path: str
    nodes: Mapping[str, NodeState]
    known: Callable[[str], bool]
    """Whether a task id belongs to this frame."""
    parent: FrameView | None = None
    index: int | None = None
    key: str | None = None
    item: Any = None
    fleet: bool = False
    repeats: bool = False
    """It is an iteration of `repeat`, not of a list."""

    def find(self, node: str) -> FrameView | None:
        """Return the frame, this one or one outward, that the task id belongs to."""
        frame: FrameView | None = self
        while frame is not None and not frame.known(node):
            frame = frame.parent
        return frame

    def owner(self) -> str:
        """Return the path of the iteration that clients belong to: the nearest target or item, "" outside of all."""
        frame: FrameView = self
        while frame.repeats and frame.parent is not None:
            frame = frame.parent
        return frame.path

    def target(self) -> Any:
        """Return the target of the nearest fleet outward, or None."""
        frame: FrameView | None = self
        while frame is not None and not frame.fleet:
            frame = frame.parent
        return frame.item if frame is not None else None
