"""The `Context` that a sink gets: a log, the secrets of the settings, and nothing of any execution."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any, NoReturn, TypeVar

from pydantic import SecretStr

from rota.context import Artifacts, Context, KeyValue, ProcessResult
from rota.errors import RotaError
from rota.executions.masking import Masker
from rota.extensions import Alert

T = TypeVar("T")
logger = logging.getLogger("rota.alerts")


class SinkLog:
    """Writes on the server's log, masked; fields come after the message."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker

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
        logger.log(level, "%s", self._masker(f"{message} ({told})" if told else message))


class SinkContext(Context):
    """What a sink may ask for while it sends."""

    def __init__(self, alert: Alert | None, masker: Masker, secret: Callable[[str, Context], SecretStr]) -> None:
        self.namespace = alert.namespace if alert else ""
        self.flow_id = alert.flow if alert else ""
        self.execution_id = alert.execution_id if alert else ""
        self.task_id = self.task_run_id = ""
        self.attempt = 1
        self.target = None
        self.idempotency_key = alert.id if alert else ""
        self.deadline: datetime | None = None
        self.log = SinkLog(masker)
        self.cancelled = threading.Event()
        self._secret = secret

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

    def secret(self, name: str) -> SecretStr:
        return self._secret(name, self)

    def metric(self, name: str, value: float, **tags: str) -> None:
        """Nobody asks for it."""

    def progress(self, done: float, total: float | None = None) -> None:
        """Nobody asks for it."""

    def output(self, partial: Any) -> None:
        """Nobody asks for it."""

    def on_cancel(self, stop: Callable[[], object]) -> None:
        """Have nothing called: a sink waits no longer than its own time-outs."""

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

    @contextmanager
    def client(
        self, key: object, open: Callable[[], T], close: Callable[[T], object], *, shared: bool = False
    ) -> Iterator[T]:
        """Lend a client for the block, and close it."""
        client = open()
        try:
            yield client
        finally:
            close(client)

    def _refuse(self, what: str) -> NoReturn:
        raise RotaError(f"a sink has no {what}")
