"""The `Context` that a task gets on a worker."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any, TypeVar

from pydantic import SecretStr

from rota.context import Artifacts, Context, KeyValue, Log, ProcessResult
from rota.executions import workdirs
from rota.executions.run_log import RunLog
from rota.executions.values import OUTPUT, output_text
from rota.executions.view import ExecutionView, FrameView

T = TypeVar("T")
Stop = Callable[[], object]
INLINE_OUTPUT = 256 * 1024
"""The longest output, in characters of JSON, that is stored with its task run; a longer one is an artifact."""


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
        self._stops: dict[object, Stop] = {}
        self._ended = False
        self._workdir: Path | None = None

    @property
    def target(self) -> Any:
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
                self._workdir = workdirs.make(self._execution, self.task_run_id, self.attempt)
            return self._workdir

    def secret(self, name: str) -> SecretStr:
        return self._execution.secrets.get(name, self)

    def metric(self, name: str, value: float, **tags: str) -> None:
        texts = {key: self._execution.masker(str(tag)) for key, tag in tags.items()}
        self._execution.host.metric(
            self.execution_id, self._frame.path, self.task_id, self.attempt, str(name), _finite(value), texts
        )

    def progress(self, done: float, total: float | None = None) -> None:
        self._execution.host.progress(
            self.execution_id, self._frame.path, self.task_id, _finite(done), None if total is None else _finite(total)
        )

    def output(self, partial: Any) -> None:
        text = output_text(partial, self._execution.masker, self._execution.host.seal)
        self.partial = self.stored(text)
        self._execution.host.partial(self.execution_id, self._frame.path, self.task_id, self.partial)

    def stored(self, text: str) -> str:
        """Return the JSON text of an output as it is stored: itself, or where it is long a reference to an artifact."""
        if len(text) <= INLINE_OUTPUT:
            return text
        with self.artifacts.writer("output.json") as writer:
            writer.write(text.encode("utf-8"))
        stored = {"uri": writer.artifact.uri, "size": writer.artifact.size}
        return json.dumps({OUTPUT: stored}, separators=(",", ":"))

    def on_cancel(self, stop: Stop) -> None:
        self.register_cancel(stop)

    def register_cancel(self, stop: Stop) -> Callable[[], object]:
        """Do what `on_cancel` does, and return what undoes it."""
        mark = object()
        with self._lock:
            if self._ended:
                return _nothing
            if self.stop_reason is None:
                self._stops[mark] = stop
                return lambda: self._stops.pop(mark, None)
        stop()
        return _nothing

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

        log = RunLog(self._execution, self._frame.path, self.task_id, self.attempt)
        folder = self.workdir
        if self._execution.run_as is not None:
            workdirs.give_to(folder, self._execution.run_as)
        program = Program(
            argv=[str(word) for word in argv],
            env=dict(env or {}),
            stdin=stdin,
            cwd=cwd or folder,
            on_line=on_line,
            on_lines=log.output if on_line is None else None,
            stdout=stdout,
            run_as=self._execution.run_as,
        )
        result: ProcessResult = self._execution.host.run_process(self, program)
        return self._whole(result) if result.truncated else result

    def _whole(self, result: ProcessResult) -> ProcessResult:
        """Hide the rest of a secret that the cut went through: nothing would know it for one later."""
        start = self._execution.masker.start
        return replace(result, stdout=start(result.stdout), stderr=start(result.stderr))

    def client(
        self, key: object, open: Callable[[], T], close: Callable[[T], object], *, shared: bool = False
    ) -> AbstractContextManager[T]:
        return self._execution.clients.lend(self._frame.owner(), key, open, close, shared=shared)

    def stop(self, reason: str) -> None:
        """Tell the task to end (`cancel`, `timeout`, `shutdown`): set `cancelled`, run what asked to be called.

        That is a plugin's code and may take its time, so it has a thread of its own.
        """
        with self._lock:
            if self._ended or self.stop_reason is not None:
                return
            self.stop_reason = reason
            stops = list(self._stops.values())
            self._stops.clear()
        self.cancelled.set()
        if stops:
            threading.Thread(target=self._call, args=(stops,), name="rota-cancel", daemon=True).start()

    def _call(self, stops: Sequence[Stop]) -> None:
        for call in stops:
            if self._ended:
                return
            try:
                call()
            except Exception as error:  # noqa: BLE001 - plugins raise what they like
                self.log.warning(f"while cancelling: {type(error).__name__}: {error}")

    def end(self) -> None:
        """The attempt is over: nothing is called any more, the work folder goes."""
        with self._lock:
            self._ended = True
            self._stops.clear()
            folder, self._workdir = self._workdir, None
        if folder is not None:
            workdirs.remove(folder)


def _finite(value: float) -> float:
    """Return `value` as a number that every database takes. Raises ValueError for infinities and what is none."""
    number = float(value)
    if number - number != 0:
        raise ValueError(f"`{number}` is not a finite number")
    return number


def _nothing() -> None:
    """There is nothing to undo."""
