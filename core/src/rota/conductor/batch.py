"""What one turn of the conductor writes, in one transaction; nothing is dispatched before it is committed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from rota.conductor.live import Live, LiveFrame, node_lines
from rota.store import Connection, executions, iterations, logs, metrics, outbox, task_runs, timers
from rota.store.bulk import Line

Row = dict[str, Any]
Write = Callable[[Connection], object]


class Steps:
    """Calls to be made later, each with the family of executions on whose behalf it was added."""

    __slots__ = ("_batch", "_steps")

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._steps: list[tuple[str, Callable[..., object]]] = []

    def append(self, do: Callable[..., object]) -> None:
        """Add a call for `Batch.of`."""
        self._steps.append((self._batch.of, do))

    def add(self, of: str, do: Callable[..., object]) -> None:
        """Add a call for the family `of`."""
        self._steps.append((of, do))

    def drop(self, of: str) -> None:
        """Forget the calls of one family."""
        self._steps = [step for step in self._steps if step[0] != of]

    def __iter__(self) -> Iterator[tuple[str, Callable[..., object]]]:
        return iter(self._steps)

    def __bool__(self) -> bool:
        return bool(self._steps)


Promise = tuple[str, "Future[Any]", Callable[[], Any]]
"""The family, the future that another thread waits for, and what gives its result after the commit."""


@dataclass(slots=True)
class Batch:
    """The rows of one turn, and what happens once they are committed.

    `first` and `writes` are further statements, before and after the rows: each must do the same when the
    transaction is tried again. `after` runs on the conductor's thread after the commit. `of` is the family (the id of
    a root execution, or what names a single write) that is added to at present: see `parts`.
    """

    created: list[Row] = field(default_factory=list)
    frames: dict[LiveFrame, None] = field(default_factory=dict)
    changed: dict[Live, None] = field(default_factory=dict)
    task_runs: list[Line] = field(default_factory=list)
    attempts: list[Row] = field(default_factory=list)
    iterations: list[Row] = field(default_factory=list)
    ends: list[Row] = field(default_factory=list)
    timers: dict[tuple[str, str, str, str], float | None] = field(default_factory=dict)
    logs: list[Row] = field(default_factory=list)
    metrics: list[Row] = field(default_factory=list)
    progress: list[Row] = field(default_factory=list)
    outbox: list[Row] = field(default_factory=list)
    executions: list[Row] = field(default_factory=list)
    whole_logs: bool = False
    """A task has ended in this turn: its lines are on disk before anybody hears of it."""
    of: str = ""
    first: Steps = field(init=False)
    writes: Steps = field(init=False)
    after: Steps = field(init=False)
    promises: list[Promise] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.first, self.writes, self.after = Steps(self), Steps(self), Steps(self)

    def touch(self, frame: LiveFrame) -> None:
        """Have what changed in `frame` written."""
        self.frames[frame] = None

    def close(self, now: float, broken: Callable[[Live, BaseException], None]) -> None:
        """Turn what was touched into rows: a node that changed often in the turn is one row.

        `broken` is told of an execution that cannot be written down.
        """
        for frame in tuple(self.frames):
            if frame.live.gone:
                continue
            try:
                self.task_runs += node_lines(frame, now)
            except Exception as error:  # noqa: BLE001 - it fails that execution alone
                broken(frame.live, error)
            frame.outputs.clear()
        self.frames.clear()
        self.executions += [_execution_row(live) for live in self.changed]
        self.changed.clear()

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return bool(
            self.frames
            or self.changed
            or self.created
            or self.task_runs
            or self.attempts
            or self.iterations
            or self.ends
            or self.timers
            or self.logs
            or self.metrics
            or self.progress
            or self.outbox
            or self.executions
            or self.first
            or self.writes
        )

    def write(self, conn: Connection) -> None:
        """Write everything; called again, with the same effect, if the transaction is tried again."""
        executions.insert_many(conn, self.created)
        for _, write in self.first:
            write(conn)
        iterations.insert_many(conn, self.iterations)
        task_runs.save_lines(conn, self.task_runs)
        task_runs.save_attempts(conn, self.attempts)
        task_runs.save_progress(conn, self.progress)
        iterations.save_ends(conn, self.ends)
        self._write_timers(conn)
        logs.insert_many(conn, self.logs)
        metrics.insert_many(conn, self.metrics)
        executions.save(conn, self.executions)
        outbox.add(conn, self.outbox)
        for _, write in self.writes:
            write(conn)

    def _write_timers(self, conn: Connection) -> None:
        names = ("execution_id", "path", "node", "name")
        if cleared := [dict(zip(names, key, strict=True)) for key, due in self.timers.items() if due is None]:
            timers.clear(conn, cleared)
        if kept := [
            {**dict(zip(names, key, strict=True)), "due_at": due} for key, due in self.timers.items() if due is not None
        ]:
            timers.save(conn, kept)


def _execution_row(live: Live) -> Row:
    from rota.conductor.live import problem_json

    return {
        "id": live.id,
        "state": live.state.value,
        "run": live.run,
        "owner": live.row["owner"],
        "problem": problem_json(live.problem),
        "outputs": live.outputs,
        "started_at": live.started_at,
        "ended_at": live.ended_at,
    }
