"""The classes that a plugin extends: task types, triggers, secret backends, alert sinks, and what runs them."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, SecretStr

from rota.context import Context

if TYPE_CHECKING:
    from rota.server.application import Application


TASK_KEYS = frozenset(
    "id type description needs when retry timeout allow_failure lock queue on_lost disabled "
    "tasks errors finally restart recover options".split()
)
"""The keys of tasks that belong to the language; no task type may have a field of these names."""

TRIGGER_KEYS = frozenset("id type description when inputs labels disabled stop_after interval".split())
"""The keys of triggers that belong to the language; no trigger may have a field of these names."""


class Raw:
    """Marks a field whose text is never rendered: `code: Annotated[str, Raw()]`. Data goes in by other fields."""


class Shell:
    """Marks a field whose text is given to a shell: check reports what is used in it without `quote`."""


class Expression:
    """Marks a field whose texts are expressions, braces optional; each arrives as `Evaluated`.

    conditions: Annotated[list[Evaluated], Expression()]
    """


class Evaluated(BaseModel):
    """An expression of a flow and what it gave."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    source: str
    """The expression, as written."""
    value: Any
    """What it gave."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:
        """Say what a flow writes, which is the expression alone."""
        return {"type": ["string", "boolean"]}


class Extension(BaseModel):
    """A frozen model: its fields are what a flow writes, its attribute docstrings are the documentation.

    The name in flows is the class name in snake case, after the plugin's name and a dot
    (`ssh.command`); a class may set `type_name` where the snake case of its name will not do.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        defer_build=True,
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,
    )

    type_name: ClassVar[str | None] = None


class Task(Extension):
    """One kind of step. `run` does it; what it returns is the output, described by the annotation.

    `idempotent` says whether a lost run may be run again by itself. It is a class constant, or a
    property where that depends on the fields (an HTTP GET is, a POST is not).
    """

    idempotent: ClassVar[bool] = False

    @abstractmethod
    def run(self, ctx: Context) -> Any:
        """Do the work and return the output: a model, a dataclass, or JSON values.

        Raises TaskFailed to fail with a message; any other exception fails too, with its traceback
        in the log. It runs on a worker thread and should wait on `ctx.cancelled`, never sleep.
        """

    def plan(self, ctx: Context) -> object:
        """Return what `run` would do, without doing it, or None where that cannot be told."""
        return None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a trigger saw. `key` is unique in the trigger: a key seen before starts nothing.

    `data` (JSON values) is `trigger.event` in the flow, `date` is `trigger.date` (default: now).
    """

    key: str
    data: Mapping[str, Any] = field(default_factory=dict)
    date: datetime | None = None


class Trigger(Extension):
    """What starts a flow by polling a source. The interval and the common keys are the flow's to write."""

    @abstractmethod
    def poll(self, ctx: Context) -> Iterable[Event]:
        """Return what is new since `ctx.state`, and move `ctx.state`; change nothing at the source.

        State and started executions are committed together after this returns.
        """

    def ack(self, events: list[Event]) -> None:
        """Tell the source that `events` were taken. It runs after the commit, and may run twice."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A secret's lease: `id` is the backend's own, `duration` counts from when it was given or renewed."""

    id: str
    duration: timedelta
    renewable: bool = True


@dataclass(frozen=True, slots=True)
class Secret:
    """The fields of one secret, all of one version (and of one lease, where it has one)."""

    fields: Mapping[str, SecretStr]
    lease: Lease | None = None


class SecretBackend(Extension):
    """Where secrets come from. `secret('path#field')` asks the backends open to the namespace, in order."""

    @abstractmethod
    def get(self, path: str, ctx: Context) -> Secret | None:
        """Return the secret at `path`, or None where this backend has none.

        Raises SecretError when it cannot tell: `retryable=True` if the backend is down.
        """

    def renew(self, lease: Lease) -> Lease:
        """Make `lease` last longer and return what it became. Raises SecretError."""
        return lease

    def revoke(self, lease: Lease) -> None:
        """End `lease` now; one that has ended already is no error. Raises SecretError."""


@dataclass(frozen=True, slots=True)
class Alert:
    """What a sink tells people. `id` stays the same over retries of a delivery: use it to deduplicate."""

    id: str
    title: str
    text: str
    severity: str
    namespace: str
    flow: str
    execution_id: str
    state: str
    labels: Mapping[str, str]
    date: datetime


class AlertSink(Extension):
    """Where alerts go."""

    @abstractmethod
    def send(self, alert: Alert, ctx: Context) -> None:
        """Deliver `alert`. Any exception is a failed delivery, which is tried again later."""


class ArtifactStore(Extension):
    """Where artifacts are kept. Keys are made by Rota: slash-separated, safe in a path and in a URL."""

    @abstractmethod
    def writer(self, key: str) -> AbstractContextManager[IO[bytes]]:
        """Open `key` for writing; it exists, whole, once the `with` block ends without an exception."""

    @abstractmethod
    def open(self, key: str) -> IO[bytes]:
        """Open `key` for reading. Raises NotFound."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove `key`; one that is not there is no error."""

    def save(self, key: str, path: Path) -> None:
        """Store the file at `path` under `key`."""
        import shutil

        with path.open("rb") as source, self.writer(key) as target:
            shutil.copyfileobj(source, target, 1 << 20)


class Service(Extension):
    """What `rota serve` runs beside the conductor, on a thread of its own: a web page, a webhook receiver."""

    @abstractmethod
    def serve(self, app: Application, stop: threading.Event) -> None:
        """Serve until `stop` is set. An exception is reported, and the service started again later."""


class Executor(Extension):
    """What drives executions instead of the local conductor: Temporal, for one."""

    @abstractmethod
    def serve(self, app: Application, stop: threading.Event) -> None:
        """Drive the executions handed to this executor until `stop` is set."""
