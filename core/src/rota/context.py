"""What a task may ask for while it runs."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import IO, Any, Protocol, TypeVar

from pydantic import SecretStr

from rota.errors import TaskFailed

T = TypeVar("T")


class Log(Protocol):
    """The log of one task run: lines are masked, stored in batches and shown live.

    `fields` are kept beside the message as JSON.
    """

    def debug(self, message: str, **fields: Any) -> None: ...
    def info(self, message: str, **fields: Any) -> None: ...
    def warning(self, message: str, **fields: Any) -> None: ...
    def error(self, message: str, **fields: Any) -> None: ...


class KeyValue(Protocol):
    """The durable key-value store of a namespace; values are JSON."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of `key`, or `default` where there is none or it has expired."""
        ...

    def set(self, key: str, value: Any, *, ttl: timedelta | None = None) -> None:
        """Store `value` under `key`; it is on disk when this returns. It vanishes after `ttl`."""
        ...

    def delete(self, key: str) -> bool:
        """Remove `key`; return whether it was there."""
        ...

    def keys(self, prefix: str = "") -> list[str]:
        """Return the keys that start with `prefix`, sorted."""
        ...


@dataclass(frozen=True, slots=True)
class Artifact:
    """A stored file. `size` is in bytes, `sha256` is lower-case hex.

    A field of a task typed `Artifact` takes one; an output that holds one is stored by reference.
    """

    uri: str
    name: str
    size: int
    sha256: str


class Artifacts(Protocol):
    """Files that outlive the task run, and that pass between tasks."""

    def save(self, path: Path, name: str = "") -> Artifact:
        """Store the file at `path` under `name` (default: its own) and return its reference."""
        ...

    def writer(self, name: str) -> AbstractContextManager[ArtifactWriter]:
        """Open a new artifact to be written in chunks; it exists once the `with` block ends well."""
        ...

    def open(self, artifact: Artifact | str) -> IO[bytes]:
        """Open an artifact, or its uri, for reading in constant memory. Raises NotFound."""
        ...

    def fetch(self, artifact: Artifact | str, path: Path) -> Path:
        """Copy an artifact, or its uri, to `path` and return it. Raises NotFound."""
        ...


class ArtifactWriter(Protocol):
    """An artifact being written; `artifact` is there when its `with` block has ended well."""

    artifact: Artifact

    def write(self, data: bytes) -> int: ...


@dataclass(frozen=True, slots=True)
class ProcessResult:
    """How a process ended.

    `exit_code` is negative (-N) when signal N ended it. `stdout` and `stderr` hold the last 64 KiB
    of each, decoded as UTF-8 with replacement characters; `truncated` says whether there was more.
    """

    exit_code: int
    stdout: str
    stderr: str
    truncated: bool = False


class Context(ABC):
    """What a task may ask for while it runs. There is no way from here back into the core.

    Attributes:
        namespace, flow_id, execution_id, task_id: the ids of what runs.
        task_run_id: the task run's own id in its execution, such as `backup[db-17]/dump`.
        attempt: the number of this try, from 1.
        target: the fleet's target, or None outside a fleet.
        idempotency_key: stable over the attempts of this task run; give it to an API that takes one.
        deadline: when this attempt times out (aware), or None.
        workdir: a folder of this task run's own, with the flow's `files` in it, removed after it.
        log: the task run's log.
        kv: the namespace's key-value store.
        artifacts: stored files.
        state: durable memory (JSON values) of a trigger, or of a task run across attempts and loss;
            what is set is on disk when the assignment returns.
        cancelled: set on cancel, timeout and shutdown; wait on it instead of sleeping.
    """

    namespace: str
    flow_id: str
    execution_id: str
    task_id: str
    task_run_id: str
    attempt: int
    target: Any
    idempotency_key: str
    deadline: datetime | None
    workdir: Path
    log: Log
    kv: KeyValue
    artifacts: Artifacts
    state: MutableMapping[str, Any]
    cancelled: threading.Event

    def in_workdir(self, name: str) -> Path:
        """Return the path of the file or folder `name` in the work folder, whether it is there or not.

        Raises TaskFailed for one that leads out of it, by its name or by a link.
        """
        parts = PurePosixPath(name).parts
        if name.startswith("/") or ".." in parts:
            raise TaskFailed(f"`{name}` leads out of the work folder", retryable=False, hint="write a relative path")
        path, linked = self.workdir, False
        for part in parts:
            path /= part
            linked = linked or path.is_symlink()
        if linked and not path.resolve().is_relative_to(self.workdir.resolve()):
            raise TaskFailed(f"`{name}` is a link that leads out of the work folder", retryable=False)
        return path

    @abstractmethod
    def secret(self, name: str) -> SecretStr:
        """Return the secret `path#field`, as `secret(name)` in a flow would.

        Raises SecretError when it is unknown or not open to this namespace.
        """

    @abstractmethod
    def metric(self, name: str, value: float, **tags: str) -> None:
        """Record one number of this task run."""

    @abstractmethod
    def progress(self, done: float, total: float | None = None) -> None:
        """Say how far the task is; only the latest is kept and shown."""

    @abstractmethod
    def output(self, partial: Any) -> None:
        """Set what remains as the task's output on failure, cancel, timeout or loss."""

    @abstractmethod
    def on_cancel(self, stop: Callable[[], object]) -> None:
        """Have `stop` called, from another thread, on cancel, timeout and shutdown.

        It is called at once when that has happened already, and never after the task has ended.
        """

    @abstractmethod
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
        """Run a program to its end and return how it ended; it raises for no exit code.

        It gets a process group of its own that never outlives the task or the server, a clean
        environment to which `env` is added, and the task's work folder unless `cwd` is given. Each
        line goes to the log as it comes, or to `on_line(stream, line)` with `stdout` or `stderr`.
        With the `stdout` file, standard output goes there, whole and unlogged. Memory is constant
        whatever the size. On cancel the group gets SIGTERM, and SIGKILL after a grace.

        Raises TaskFailed when the program cannot be started.
        """

    @abstractmethod
    def client(
        self,
        key: object,
        open: Callable[[], T],
        close: Callable[[T], object],
        *,
        shared: bool = False,
    ) -> AbstractContextManager[T]:
        """Lend a live client of this execution, opened by the first who asks for `key`.

        It is lent to one task at a time unless it is `shared` (safe for threads), dropped when the
        `with` block ends with a connection failure (`ConnectionError`, `EOFError`, `TimeoutError`),
        and closed by `close` when the target ends, when idle, or at the end. `key` is hashable and
        names everything that makes two clients different, credentials too.
        """
