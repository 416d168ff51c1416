"""A `Context` for what runs outside of executions: a sink, a poll. It has a log, secrets, and a way to be ended."""

from __future__ import annotations

import logging
import threading
from abc import abstractmethod
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any, NoReturn

from pydantic import SecretStr

from rota.context import Artifacts, Context, KeyValue, ProcessResult
from rota.errors import RotaError
from rota.executions.masking import Masker


class ServerLog:
    """Writes on the server's log, masked; `prefix` comes before each message, fields come after it."""

    def __init__(self, logger: logging.Logger, masker: Masker, prefix: str = "") -> None:
        self._logger = logger
        self._masker = masker
        self._prefix = f"{prefix}: " if prefix else ""

    def debug(self, message: str, **fields: Any) -> None:
        self._write(logging.DEBUG, message, fields)

    def info(self, message: str, **fields: Any) -> None:
        self._write(logging.INFO, message, fields)

    def warning(self, message: str, **fields: Any) -> None:
        self._write(logging.WARNING, message, fields)

    def error(self, message: str, **fields: Any) -> None:
        self._write(logging.ERROR, message, fields)

    def _write(self, level: int, message: str, fields: Mapping[str, Any]) -> None:
        told = " ".join(f"{name}={value}" for name, value in fields.items() if value not in ("", None))
        text = f"{message} ({told})" if told else message
        self._logger.log(level, "%s%s", self._prefix, self._masker(text))


class OutsideContext(Context):
    """What everything outside of executions has in common; `what` it is, is for messages: `a sink`."""

    what = "this"

    def __init__(self, log: ServerLog, *, namespace: str = "", flow: str = "", execution_id: str = "") -> None:
        self.namespace, self.flow_id, self.execution_id = namespace, flow, execution_id
        self.task_id = self.task_run_id = self.idempotency_key = ""
        self.attempt = 1
        self.target = None
        self.deadline: datetime | None = None
        self.log = log
        self.cancelled = threading.Event()
        self._stops: list[Callable[[], object]] = []

    @property
    def workdir(self) -> Path:  # type: ignore[override]
        self._refuse("a work folder")

    @property
    def kv(self) -> KeyValue:  # type: ignore[override]
        self._refuse("keys and values")

    @property
    def artifacts(self) -> Artifacts:  # type: ignore[override]
        self._refuse("artifacts")

    @property
    def state(self) -> MutableMapping[str, Any]:  # type: ignore[override]
        self._refuse("durable memory")

    @abstractmethod
    def secret(self, name: str) -> SecretStr:
        """Return the secret `path#field`."""

    def metric(self, name: str, value: float, **tags: str) -> None:
        """Nobody asks for it."""

    def progress(self, done: float, total: float | None = None) -> None:
        """Nobody asks for it."""

    def output(self, partial: Any) -> None:
        """Nobody asks for it."""

    def on_cancel(self, stop: Callable[[], object]) -> None:
        self._stops.append(stop)
        if self.cancelled.is_set():
            stop()

    def stop(self) -> None:
        """Ask for an end: set `cancelled`, run what asked to be called."""
        self.cancelled.set()
        for stop in list(self._stops):
            try:
                stop()
            except Exception as error:  # noqa: BLE001 - plugins raise what they like
                self.log.warning(f"while stopping: {type(error).__name__}: {error}")

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
        self._refuse("programs")

    def _refuse(self, thing: str) -> NoReturn:
        raise RotaError(f"{self.what} has no {thing}")
