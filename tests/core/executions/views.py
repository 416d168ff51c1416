"""An execution's view over nothing but memory, for tests of what happens on a worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rota.context import ProcessResult
from rota.executions.clients import ClientPool
from rota.executions.masking import Masker
from rota.executions.models import NodeState
from rota.executions.processes import Program
from rota.executions.run_context import RunContext
from rota.executions.secrets import ExecutionSecrets
from rota.executions.view import ExecutionView, FrameView
from rota.testing.stored import FolderArtifacts, MemoryKeyValue


@dataclass
class MemoryHost:
    """Keeps what steps bring, and gives what the test put there."""

    folder: Path
    outputs: dict[tuple[str, str], Any] = field(default_factory=dict)
    lines: list[tuple[str, str, Mapping[str, Any]]] = field(default_factory=list)
    partials: list[str] = field(default_factory=list)
    metrics: list[tuple[str, float, Mapping[str, str]]] = field(default_factory=list)
    programs: list[Program] = field(default_factory=list)
    result: ProcessResult = field(default_factory=lambda: ProcessResult(0, "", ""))
    values: MemoryKeyValue = field(default_factory=MemoryKeyValue)

    def output(self, execution_id: str, path: str, node: str) -> Any:
        return self.outputs[path, node]

    def log(
        self, execution_id: str, path: str, node: str, attempt: int, level: str, message: str, fields: Mapping[str, Any]
    ) -> None:
        self.lines.append((level, message, fields))

    def log_lines(
        self, execution_id: str, path: str, node: str, attempt: int, level: str, lines: Sequence[str]
    ) -> None:
        self.lines += [(level, line, {}) for line in lines]

    def kv(self, namespace: str) -> MemoryKeyValue:
        return self.values

    def artifacts(self, execution_id: str, path: str, node: str) -> FolderArtifacts:
        return FolderArtifacts(self.folder / "artifacts")

    def state(self, execution_id: str, path: str, node: str) -> Any:
        return {}

    def metric(
        self, execution_id: str, path: str, node: str, attempt: int, name: str, value: float, tags: Mapping[str, str]
    ) -> None:
        self.metrics.append((name, value, tags))

    def progress(self, execution_id: str, path: str, node: str, done: float, total: float | None) -> None:
        """Nobody looks."""

    def partial(self, execution_id: str, path: str, node: str, output: str) -> None:
        self.partials.append(output)

    def run_process(self, ctx: RunContext, program: Program) -> ProcessResult:
        self.programs.append(program)
        return self.result

    def seal(self, text: str) -> str:
        return f"sealed:{text[::-1]}"

    def unseal(self, token: str) -> str:
        return token.removeprefix("sealed:")[::-1]


def execution(folder: Path, **changes: Any) -> ExecutionView:
    """Return an execution of the flow `bank/flow`."""
    masker = changes.pop("masker", None) or Masker()
    values: dict[str, Any] = {
        "id": "e1",
        "namespace": "bank",
        "flow": "flow",
        "run": 1,
        "started_at": datetime(2026, 1, 2, tzinfo=UTC),
        "inputs": {},
        "variables": {},
        "labels": {},
        "trigger": {"id": "manual", "type": "manual"},
        "timezone": "UTC",
        "workdir": folder / "work",
        "files": {},
        "run_as": None,
        "secrets": ExecutionSecrets("bank", {}, masker, lambda *_: None),
        "masker": masker,
        "clients": ClientPool(),
        "host": MemoryHost(folder),
    }
    return ExecutionView(**{**values, **changes})


def frame(path: str = "", *nodes: str, parent: FrameView | None = None, **changes: Any) -> FrameView:
    """Return a frame that knows `nodes`."""
    return FrameView(path, {node: NodeState(node) for node in nodes}, set(nodes).__contains__, parent, **changes)
