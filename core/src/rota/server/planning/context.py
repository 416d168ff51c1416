"""The context in which a plugin plans: a work folder with the flow's files, and programs; nothing that is stored."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any, TypeVar

from pydantic import SecretStr

from rota.context import Context, ProcessResult
from rota.errors import SecretError, TaskFailed

T = TypeVar("T")
_TAIL = 64 * 1024


class _Nothing:
    """Stands for the log, the key-value store and the artifacts: logs go nowhere, all else is refused."""

    def __getattr__(self, name: str) -> Any:
        if name in ("debug", "info", "warning", "error"):
            return _say_nothing
        raise TaskFailed(f"`{name}` cannot be used in a plan: it would touch what is stored")


def _say_nothing(message: str, **fields: Any) -> None:
    """Take a line of the log that nobody will see."""


class PlanContext(Context):
    """What `plan(ctx)` may ask for: `process`, `client`, `workdir`, the ids. No secret is known."""

    def __init__(self, namespace: str, flow: str, task: str, workdir: Path, target: Any) -> None:
        self.namespace, self.flow_id, self.execution_id = namespace, flow, "plan"
        self.task_id = self.task_run_id = task
        self.attempt, self.target, self.idempotency_key = 1, target, f"plan/{task}"
        self.deadline: datetime | None = None
        self.workdir = workdir
        nothing: Any = _Nothing()
        self.log = self.kv = self.artifacts = nothing
        self.state: MutableMapping[str, Any] = {}
        self.cancelled = threading.Event()

    def secret(self, name: str) -> SecretStr:
        raise SecretError(f"secret `{name}` is not known in a plan")

    def metric(self, name: str, value: float, **tags: str) -> None:
        """Keep nothing."""

    def progress(self, done: float, total: float | None = None) -> None:
        """Show nothing."""

    def output(self, partial: Any) -> None:
        """Keep nothing."""

    def on_cancel(self, stop: Callable[[], object]) -> None:
        """Do nothing: who plans is killed, not cancelled."""

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
        given = stdin.read() if stdin is not None and not isinstance(stdin, bytes) else stdin
        try:
            done = subprocess.run(argv, input=given, env=_environment(env), cwd=cwd or self.workdir,
                                  capture_output=True, check=False)  # fmt: skip
        except OSError as error:
            raise TaskFailed(f"`{argv[0]}` cannot be started: {(error.strerror or 'error').lower()}") from None
        if stdout is not None:
            stdout.write(done.stdout)
        texts = [text[-_TAIL:].decode("utf-8", "replace") for text in (done.stdout, done.stderr)]
        for stream, text in zip(("stdout", "stderr"), texts, strict=True):
            for line in text.splitlines() if on_line is not None else ():
                on_line(stream, line)  # type: ignore[misc]  # it is not None in here
        truncated = max(len(done.stdout), len(done.stderr)) > _TAIL
        return ProcessResult(done.returncode, texts[0], texts[1], truncated=truncated)

    @contextmanager
    def client(
        self, key: object, open: Callable[[], T], close: Callable[[T], object], *, shared: bool = False
    ) -> Iterator[T]:
        found = open()
        try:
            yield found
        finally:
            close(found)


def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
    import os

    return {**os.environ, **(more or {})}
