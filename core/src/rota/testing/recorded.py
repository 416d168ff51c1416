"""A `Context` over temporary folders that keeps what a task did with it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any, TypeVar

from pydantic import SecretStr

from rota.context import Context, ProcessResult
from rota.errors import SecretError
from rota.executions.clients import ClientPool
from rota.testing.stored import FolderArtifacts, MemoryKeyValue

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a log."""

    level: str
    message: str
    fields: Mapping[str, Any] = field(default_factory=dict)


class RecordedLog:
    """A log that keeps its lines, the oldest first."""

    def __init__(self) -> None:
        self.lines: list[LogLine] = []

    def debug(self, message: str, **fields: Any) -> None:
        self.lines.append(LogLine("debug", message, fields))

    def info(self, message: str, **fields: Any) -> None:
        self.lines.append(LogLine("info", message, fields))

    def warning(self, message: str, **fields: Any) -> None:
        self.lines.append(LogLine("warning", message, fields))

    def error(self, message: str, **fields: Any) -> None:
        self.lines.append(LogLine("error", message, fields))

    @property
    def text(self) -> str:
        """All messages, a line each."""
        return "\n".join(line.message for line in self.lines)


class JsonState(MutableMapping[str, Any]):
    """A mapping that takes JSON values only, and forgets what is not stored: as durable state does."""

    def __init__(self) -> None:
        self._values: dict[str, str] = {}

    def __getitem__(self, key: str) -> Any:
        return json.loads(self._values[key])

    def __setitem__(self, key: str, value: Any) -> None:
        self._values[key] = json.dumps(value, allow_nan=False)

    def __delitem__(self, key: str) -> None:
        del self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


class RecordedContext(Context):
    """A context for a test.

    Processes are real, files are below `folder`. `secrets` (`{"path#field": "value"}`) is for the test to
    fill; `metrics`, `progresses` and `outputs` hold what the task said, in order; `cancel()` cancels it.
    """

    log: RecordedLog
    kv: MemoryKeyValue
    artifacts: FolderArtifacts

    def __init__(self, folder: Path) -> None:
        self.namespace = "test"
        self.flow_id = "flow"
        self.execution_id = "execution"
        self.task_id = "task"
        self.task_run_id = "task"
        self.attempt = 1
        self.target: Any = None
        self.idempotency_key = "execution/task"
        self.deadline: datetime | None = None
        self.workdir = folder / "workdir"
        self.workdir.mkdir(parents=True, exist_ok=True)
        self.log = RecordedLog()
        self.kv = MemoryKeyValue()
        self.artifacts = FolderArtifacts(folder / "artifacts")
        self.state: JsonState = JsonState()
        self.cancelled = threading.Event()
        self.secrets: dict[str, str] = {}
        self.metrics: list[tuple[str, float, dict[str, str]]] = []
        self.progresses: list[tuple[float, float | None]] = []
        self.outputs: list[Any] = []
        self._clients = ClientPool()
        self._lock = threading.Lock()
        self._stops: list[Callable[[], object]] = []

    def secret(self, name: str) -> SecretStr:
        """Return what the test put into `secrets`."""
        try:
            return SecretStr(self.secrets[name])
        except KeyError:
            raise SecretError(f"there is no secret `{name}`", hint="put it into `ctx.secrets`") from None

    def metric(self, name: str, value: float, **tags: str) -> None:
        """Keep the number in `metrics`."""
        self.metrics.append((name, value, tags))

    def progress(self, done: float, total: float | None = None) -> None:
        """Keep it in `progresses`."""
        self.progresses.append((done, total))

    def output(self, partial: Any) -> None:
        """Keep it in `outputs`."""
        self.outputs.append(partial)

    def on_cancel(self, stop: Callable[[], object]) -> None:
        """Have `stop` called by `cancel()`, or at once after that."""
        with self._lock:
            if not self.cancelled.is_set():
                self._stops.append(stop)
                return
        stop()

    def cancel(self) -> None:
        """Cancel the task, as a person or a timeout would."""
        with self._lock:
            stops, self._stops = self._stops, []
            self.cancelled.set()
        for stop in stops:
            stop()

    def process(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        stdin: bytes | IO[bytes] | None = None,
        cwd: Path | None = None,
        on_line: Callable[[str, str], object] | None = None,
        stdout: IO[bytes] | None = None,
    ) -> ProcessResult:
        """Run the program for real; its lines are in the log."""
        from rota.executions.processes.run import run_process

        def log(stream: str, line: str) -> None:
            (self.log.info if stream == "stdout" else self.log.warning)(line)

        return run_process(
            argv,
            env=env,
            stdin=stdin,
            cwd=cwd or self.workdir,
            on_line=on_line or log,
            stdout=stdout,
            cancelled=self.cancelled,
            register_cancel=self._register_cancel,
        )

    def client(
        self, key: object, open: Callable[[], T], close: Callable[[T], object], *, shared: bool = False
    ) -> AbstractContextManager[T]:
        """Lend a client, as in an execution; `close()` closes it."""
        return self._clients.lend("", key, open, close, shared=shared)

    def close(self) -> None:
        """End the clients; the fixture does that."""
        self._clients.close()

    def _register_cancel(self, stop: Callable[[], object]) -> Callable[[], object]:
        self.on_cancel(stop)

        def withdraw() -> None:
            with self._lock:
                if stop in self._stops:
                    self._stops.remove(stop)

        return withdraw
