"""The `Context` that a polling trigger gets: its log, secrets, keys and values, clients, and its durable memory."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, NoReturn, TypeVar

from pydantic import SecretStr

from rota.context import Artifacts, Context, KeyValue, ProcessResult
from rota.errors import RotaError
from rota.executions.clients import ClientPool
from rota.executions.masking import Masker

T = TypeVar("T")
logger = logging.getLogger("rota.triggers")


class TriggerLog:
    """Writes on the server's log, masked; fields come after the message."""

    def __init__(self, masker: Masker, name: str) -> None:
        self._masker = masker
        self._name = name

    def debug(self, message: str, **fields: Any) -> None:
        self._write(logging.DEBUG, message, fields)

    def info(self, message: str, **fields: Any) -> None:
        self._write(logging.INFO, message, fields)

    def warning(self, message: str, **fields: Any) -> None:
        self._write(logging.WARNING, message, fields)

    def error(self, message: str, **fields: Any) -> None:
        self._write(logging.ERROR, message, fields)

    def _write(self, level: int, message: str, fields: Mapping[str, Any]) -> None:
        told = " ".join(f"{name}={value}" for name, value in fields.items())
        logger.log(level, "%s: %s", self._name, self._masker(f"{message} ({told})" if told else message))


class Memory(MutableMapping[str, Any]):
    """`ctx.state` of a poll: JSON values, on record together with the executions that the poll starts."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    @property
    def values_now(self) -> dict[str, Any]:
        """What is to be kept."""
        return dict(self._values)

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __setitem__(self, key: str, value: Any) -> None:
        # Refused here, where the trigger can be named, and not in the transaction.
        self._values[key] = json.loads(json.dumps(value, allow_nan=False))

    def __delitem__(self, key: str) -> None:
        del self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._values))

    def __len__(self) -> int:
        return len(self._values)


@dataclass(frozen=True, slots=True)
class Means:
    """What a server gives its polls: `secret` takes a name and the context that asks."""

    kv: Callable[[str], KeyValue]
    clients: ClientPool
    masker: Masker
    secret: Callable[[str, Context], SecretStr]


class TriggerContext(Context):
    """What a trigger may ask for while it polls. There are no programs, artifacts and work folders for it."""

    def __init__(self, namespace: str, flow: str, trigger: str, state: Mapping[str, Any], means: Means) -> None:
        self.namespace, self.flow_id, self.execution_id = namespace, flow, ""
        self.task_id = trigger
        self.task_run_id = f"{namespace}/{flow}/{trigger}"
        self.attempt = 1
        self.target = None
        self.idempotency_key = self.task_run_id
        self.deadline: datetime | None = None
        self.log = TriggerLog(means.masker, self.task_run_id)
        self.state: Memory = Memory(state)
        self.cancelled = threading.Event()
        self._stops: list[Callable[[], object]] = []
        self._means = means

    @property
    def kv(self) -> KeyValue:  # type: ignore[override]
        return self._means.kv(self.namespace)

    @property
    def workdir(self) -> Path:  # type: ignore[override]
        self._refuse("a work folder")

    @property
    def artifacts(self) -> Artifacts:  # type: ignore[override]
        self._refuse("artifacts")

    def secret(self, name: str) -> SecretStr:
        return self._means.secret(name, self)

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
        """Tell the poll to end."""
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

    def client(
        self, key: object, open: Callable[[], T], close: Callable[[T], object], *, shared: bool = False
    ) -> AbstractContextManager[T]:
        return self._means.clients.lend(self.task_run_id, key, open, close, shared=shared)

    def _refuse(self, what: str) -> NoReturn:
        raise RotaError(f"a trigger has no {what}")
