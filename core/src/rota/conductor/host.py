"""What the local executor provides to running steps: outputs, logs, keys and values, artifacts, processes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from rota.conductor.logbuffer import LogBuffer
from rota.conductor.reaper import Reaper
from rota.conductor.recent_outputs import RecentOutputs
from rota.context import Artifacts, ProcessResult
from rota.errors import ExpressionError
from rota.executions.process_table import kill_groups
from rota.executions.values import load, unsealed
from rota.store import Connection, iterations, kv, task_runs
from rota.store.columns import dumps, storable

if TYPE_CHECKING:
    from rota.conductor.resources import Resources
    from rota.executions.processes import Program
    from rota.executions.run_context import RunContext

T = TypeVar("T")
NEVER_RAN = ("created", "queued", "skipped", "not_started")
Submit = Callable[[Callable[[Connection], Any]], Any]
"""Runs a write in the conductor's next transaction and returns what it gave, once that is committed."""


class LocalHost:
    """Serves the workers of one conductor; everything here may be called from any thread."""

    def __init__(self, resources: Resources, submit: Submit, lines: LogBuffer, grace: float) -> None:
        self._resources = resources
        self._store = resources.store
        self._submit = submit
        self._lines = lines
        self._grace = grace
        self._reaper = Reaper()
        self.recent = RecentOutputs()
        self._programs: set[tuple[int, str]] = set()
        """The programs that run: `(pid, start time)`."""
        self.record_pid: Callable[[RunContext, int, str], None] = lambda *_: None
        self.log = lines.line
        self.log_lines = lines.lines
        self.seal = resources.seal
        self.unseal = resources.unseal

    def output(self, execution_id: str, path: str, node: str) -> Any:
        recent = self.recent.get((execution_id, path, node))
        if recent is not None:
            return self._loaded(recent, node)
        with self._store.read() as conn:
            row = task_runs.get(conn, execution_id, path, node)
            if row is None:
                raise KeyError(node)
            if row["state"] in NEVER_RAN:
                raise KeyError(node)
            if row["type"] in ("foreach", "fleet", "repeat"):
                self._check_size(iterations.collected_size(conn, execution_id, path, node), node)
                return _rows_of(conn, execution_id, path, node, self.unseal)
            text = row["output"]
        if text is None:
            if row["state"] in ("success", "warning"):
                return None
            raise KeyError(node)
        return self._loaded(text, node)

    def _loaded(self, text: str, node: str) -> Any:
        if not text.startswith('{"$output"'):
            return load(text, self.unseal)
        stored = json.loads(text)["$output"]
        self._check_size(stored["size"], node)
        with self.artifacts("", "", "").open(stored["uri"]) as file:
            return load(file.read().decode("utf-8"), self.unseal)

    def _check_size(self, size: int, node: str) -> None:
        limit = self._resources.settings.max_inline
        if size > limit:
            raise ExpressionError(
                f"the output of `{node}` has {size:,} bytes, more than `max_inline` ({limit:,})",
                hint="have the task write an artifact, and give that on",
            )

    def kv(self, namespace: str) -> NamespaceValues:
        return NamespaceValues(self, namespace)

    def artifacts(self, execution_id: str, path: str, node: str) -> Artifacts:
        from rota.store.artifacts import TaskArtifacts

        return TaskArtifacts(self._store, self._resources.artifacts, execution_id, path, node)

    def state(self, execution_id: str, path: str, node: str) -> TaskState:
        return TaskState(self, execution_id, path, node)

    def metric(
        self, execution_id: str, path: str, node: str, attempt: int, name: str, value: float, tags: Mapping[str, str]
    ) -> None:
        self._lines.metric(
            {
                "execution_id": execution_id,
                "path": path,
                "node": node,
                "attempt": attempt,
                "at": time.time(),
                "name": name,
                "value": value,
                "tags": dict(tags) or None,
            }
        )

    def progress(self, execution_id: str, path: str, node: str, done: float, total: float | None) -> None:
        self._lines.progress(execution_id, path, node, {"done": done, "total": total})

    def partial(self, execution_id: str, path: str, node: str, output: str) -> None:
        self.write(lambda conn: task_runs.set_output(conn, execution_id, path, node, output))

    def run_process(self, ctx: RunContext, program: Program) -> ProcessResult:
        from rota.executions.processes.run import run_process

        mine: list[tuple[int, str]] = []

        def started(pid: int, born: str) -> None:
            mine.append((pid, born))
            self._programs.add((pid, born))
            self.record_pid(ctx, pid, born)

        try:
            return run_process(
                program.argv,
                env=program.env,
                stdin=program.stdin,
                cwd=program.cwd,
                on_line=program.on_line,
                on_lines=program.on_lines,
                stdout=program.stdout,
                cancelled=ctx.cancelled,
                register_cancel=ctx.register_cancel,
                reaper=self._reaper,
                run_as=program.run_as,
                started=started,
                grace=self._grace,
            )
        finally:
            self._programs.difference_update(mine)

    def read(self, query: Callable[[Connection], T]) -> T:
        """Return what `query` finds."""
        with self._store.read() as conn:
            return query(conn)

    def write(self, change: Callable[[Connection], T]) -> T:
        """Make `change` in the conductor's next transaction, and return what it gave once that is on disk."""
        result: T = self._submit(change)
        return result

    def kill(self) -> None:
        """Kill all programs at once; may be called from any thread."""
        kill_groups(self._programs.copy(), grace=0)

    def close(self) -> None:
        """End the reaper, and what it still guards."""
        self._reaper.close()


class NamespaceValues:
    """`ctx.kv`: the key-value store of one namespace."""

    def __init__(self, host: LocalHost, namespace: str) -> None:
        self._host = host
        self._namespace = namespace

    def get(self, key: str, default: Any = None) -> Any:
        return self._host.read(lambda conn: kv.get(conn, self._namespace, key, default, at=time.time()))

    def set(self, key: str, value: Any, *, ttl: timedelta | None = None) -> None:
        now = time.time()
        expires = None if ttl is None else now + ttl.total_seconds()
        _check(key, value)
        self._host.write(lambda conn: kv.put(conn, self._namespace, key, value, at=now, expires_at=expires))

    def delete(self, key: str) -> bool:
        return bool(self._host.write(lambda conn: kv.delete(conn, self._namespace, key, at=time.time())))

    def keys(self, prefix: str = "") -> list[str]:
        return self._host.read(lambda conn: kv.keys(conn, self._namespace, prefix, at=time.time()))


class TaskState(MutableMapping[str, Any]):
    """`ctx.state`: durable memory of a task run; what is set is on disk when the assignment returns."""

    def __init__(self, host: LocalHost, execution_id: str, path: str, node: str) -> None:
        self._host = host
        self._address = (execution_id, path, node)

    def _values(self) -> dict[str, Any]:
        return self._host.read(lambda conn: kv.task_values(conn, *self._address))

    def __getitem__(self, key: str) -> Any:
        return self._values()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        _check(key, value)
        self._host.write(lambda conn: kv.set_task_value(conn, *self._address, key, value))

    def __delitem__(self, key: str) -> None:
        if not self._host.write(lambda conn: kv.delete_task_value(conn, *self._address, key)):
            raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values())

    def __len__(self) -> int:
        return len(self._values())


def _check(key: str, value: Any) -> None:
    """Refuse here, and not in the conductor's transaction, what cannot be stored. Raises TypeError, ValueError."""
    if storable(key) != key:
        raise ValueError(f"`{key!r}` cannot be a key")
    dumps(value)


def _rows_of(conn: Connection, execution_id: str, path: str, node: str, unseal: Callable[[str], str]) -> dict[str, Any]:
    """Return `outputs.<scope>` of a `foreach`, `fleet` or `repeat`: rows, counts, failed."""
    rows: list[dict[str, Any]] = []
    after = -1
    while page := iterations.page(conn, execution_id, path, node, after=after, items=False):
        rows += [iteration_row(row, unseal) for row in page]
        after = page[-1]["idx"]
    counts: dict[str, int] = {"total": len(rows)}
    for row in rows:
        counts[row["state"]] = counts.get(row["state"], 0) + 1
    failed = [row["key"] for row in rows if row["state"] in ("failed", "lost")]
    return {"rows": rows, "counts": counts, "failed": failed}


def iteration_row(row: Mapping[str, Any], unseal: Callable[[str], str]) -> dict[str, Any]:
    """Return one of the `rows` of an iteration scope from its row in the store."""
    started, ended = row["started_at"], row["ended_at"]
    state = "not_started" if row["state"] == "created" else row["state"]
    problem = row["problem"]
    return {
        "key": row["key"],
        "state": state,
        "started": _iso(started),
        "duration": None if started is None or ended is None else round(ended - started, 3),
        "error": problem["message"] if problem else None,
        **(unsealed(row["collected"], unseal) or {}),
    }


def _iso(at: float | None) -> str | None:
    if at is None:
        return None
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at, UTC).isoformat()
