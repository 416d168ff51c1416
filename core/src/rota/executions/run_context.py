"""The `Context` that a task gets on a worker."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, Any, TypeVar

from pydantic import SecretStr

from rota.context import Artifacts, Context, KeyValue, Log, ProcessResult
from rota.executions.values import dump
from rota.executions.view import ExecutionView, FrameView

T = TypeVar("T")


class RunLog:
    """Masks lines and hands them to the driver."""

    __slots__ = ("_attempt", "_execution", "_node", "_path")

    def __init__(self, execution: ExecutionView, path: str, node: str, attempt: int) -> None:
        self._execution, self._path, self._node, self._attempt = execution, path, node, attempt

    def debug(self, message: str, **fields: Any) -> None:
        self.write("debug", message, fields)

    def info(self, message: str, **fields: Any) -> None:
        self.write("info", message, fields)

    def warning(self, message: str, **fields: Any) -> None:
        self.write("warning", message, fields)

    def error(self, message: str, **fields: Any) -> None:
        self.write("error", message, fields)

    def write(self, level: str, message: str, fields: Mapping[str, Any]) -> None:
        """Log one line at `level`; `fields` are JSON values or become text."""
        execution = self._execution
        mask = execution.masker
        if mask:
            message = mask(message)
            fields = {key: mask(value if isinstance(value, str) else str(value)) for key, value in fields.items()}
        execution.host.log(execution.id, self._path, self._node, self._attempt, level, message, fields)


class RunContext(Context):
    """Made by the worker for each attempt; what costs something is made when it is first asked for."""

    def __init__(
        self, execution: ExecutionView, frame: FrameView, node: str, attempt: int, deadline: datetime | None = None
    ) -> None:
        self._execution = execution
        self._frame = frame
        self.namespace = execution.namespace
        self.flow_id = execution.flow
        self.execution_id = execution.id
        self.task_id = node
        self.task_run_id = f"{frame.path}/{node}" if frame.path else node
        self.attempt = attempt
        self.deadline = deadline
        self.idempotency_key = f"{execution.id}/{self.task_run_id}"
        self.log: Log = RunLog(execution, frame.path, node, attempt)
        self.cancelled = threading.Event()
        self.stop_reason: str | None = None
        self.partial: str | None = None
        self._lock = threading.Lock()
        self._stops: list[Callable[[], object]] = []
        self._ended = False
        self._workdir: Path | None = None

    @property
    def target(self) -> Any:  # type: ignore[override]
        return self._frame.target()

    @property
    def kv(self) -> KeyValue:  # type: ignore[override]
        return self._execution.host.kv(self.namespace)

    @property
    def artifacts(self) -> Artifacts:  # type: ignore[override]
        return self._execution.host.artifacts(self.execution_id, self._frame.path, self.task_id)

    @property
    def state(self) -> MutableMapping[str, Any]:  # type: ignore[override]
        found: MutableMapping[str, Any] = self._execution.host.state(self.execution_id, self._frame.path, self.task_id)
        return found

    @property
    def workdir(self) -> Path:  # type: ignore[override]
        with self._lock:
            if self._workdir is None:
                self._workdir = self._make_workdir()
            return self._workdir

    def secret(self, name: str) -> SecretStr:
        return self._execution.secrets.get(name, self)

    def metric(self, name: str, value: float, **tags: str) -> None:
        self._execution.host.metric(
            self.execution_id, self._frame.path, self.task_id, self.attempt, name, float(value), tags
        )

    def progress(self, done: float, total: float | None = None) -> None:
        self._execution.host.progress(self.execution_id, self._frame.path, self.task_id, done, total)

    def output(self, partial: Any) -> None:
        text = dump(partial, self._execution.host.seal)
        self.partial = text
        self._execution.host.partial(self.execution_id, self._frame.path, self.task_id, text)

    def on_cancel(self, stop: Callable[[], object]) -> None:
        with self._lock:
            if self._ended:
                return
            if self.stop_reason is None:
                self._stops.append(stop)
                return
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
        from rota.executions.processes import Program

        log = self.log
        program = Program(
            argv=[str(word) for word in argv],
            env=dict(env or {}),
            stdin=stdin,
            cwd=cwd or self.workdir,
            on_line=on_line or (lambda stream, line: log.info(line) if stream == "stdout" else log.warning(line)),
            stdout=stdout,
            run_as=self._execution.run_as,
        )
        result: ProcessResult = self._execution.host.run_process(self, program)
        return result

    def client(
        self, key: object, open: Callable[[], T], close: Callable[[T], object], *, shared: bool = False
    ) -> AbstractContextManager[T]:
        return self._execution.clients.lend(self._frame.path, key, open, close, shared=shared)

    def stop(self, reason: str) -> None:
        """Tell the task to end (`cancel`, `timeout`, `shutdown`): set `cancelled`, run what asked to be called."""
        with self._lock:
            if self._ended or self.stop_reason is not None:
                return
            self.stop_reason = reason
            stops, self._stops = self._stops, []
        self.cancelled.set()
        for call in stops:
            try:
                call()
            except Exception as error:
                self.log.warning(f"while cancelling: {type(error).__name__}: {error}")

    def end(self) -> None:
        """The attempt is over: nothing is called any more, the work folder goes."""
        with self._lock:
            self._ended = True
            self._stops.clear()
            folder, self._workdir = self._workdir, None
        if folder is not None:
            with suppress(OSError):
                _remove(folder)

    def _make_workdir(self) -> Path:
        safe = "".join(char if char.isalnum() or char in "._-" else "_" for char in self.task_run_id)
        folder = (
            self._execution.workdir / self.execution_id / f"{safe[:80]}-{abs(hash(self.task_run_id)):x}-{self.attempt}"
        )
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        for name, data in self._execution.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            path.chmod(0o500 if data.startswith(b"#!") else 0o400)
        return folder


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        folder.parent.rmdir()  # the execution's own folder, once its last task run is gone
