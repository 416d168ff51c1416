"""Follows an execution, here or in another process: its states, the ends of its iterations, its log lines."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rota.store import Connection, executions, logs, progress, task_runs

if TYPE_CHECKING:
    from rota.server.application import Application

Row = dict[str, Any]
ENDED = ("success", "warning", "failed", "cancelled")
_LINES = 2_000
_ENDS = 1_000
_SHARE = 10
"""Looking may take a tenth of the time: what is slow to look at is looked at less often."""


@dataclass(frozen=True, slots=True)
class Update:
    """What was found at one look.

    `nodes` are the task runs of the flow's own frame that changed, `iterations` those that ended, at any depth,
    `lines` the new log lines: rows of the store, each list in order. `ended`: there will be no more.
    """

    execution: Row
    nodes: list[Row] = field(default_factory=list)
    iterations: list[Row] = field(default_factory=list)
    lines: list[Row] = field(default_factory=list)
    ended: bool = False


class Watch:
    """Yields updates of one execution until it has ended.

    With `restart` it is made before one: it tells only of what comes after, and waits for another end than the one on
    record. Raises what ended this process's conductor, if that is what happened.
    """

    def __init__(self, app: Application, id: str, *, interval: float = 0.2, restart: bool = False) -> None:
        self._app = app
        self._id = id
        self._interval = interval
        self._line, self._since = 0, 0.0
        self._states: dict[str, tuple[Any, ...]] = {}
        self._last_ends: set[tuple[str, str, int]] = set()
        self._old_end: float | None = None
        if restart:
            self._old_end = app.executions.get(id)["ended_at"]
            self._skip()

    def __iter__(self) -> Iterator[Update]:
        over, patience = self._over(), 0.02
        while True:
            began = time.monotonic()
            update = self._look()
            yield update
            if update.ended:
                return
            conductor = self._app.running
            if conductor is not None and conductor.failure is not None:
                raise conductor.failure
            if len(update.lines) < _LINES and len(update.iterations) < _ENDS:
                over.wait(max(patience, _SHARE * (time.monotonic() - began)))
                patience = min(patience * 2, self._interval)

    def _over(self) -> threading.Event:
        """Return an event that is set at the end, where this process's conductor knows of it."""
        over, conductor = threading.Event(), self._app.running
        if conductor is not None and self._id in conductor.driver.lives:

            def wait() -> None:
                try:
                    conductor.wait(self._id)
                finally:
                    over.set()

            threading.Thread(target=wait, name="rota-watch", daemon=True).start()
        return over

    def _look(self) -> Update:
        with self._app.store.read() as conn:
            row = executions.get(conn, self._id)
            assert row is not None
            lines = logs.page(conn, self._id, after=self._line, limit=_LINES)
            ends = self._ends(conn)
            nodes = [node for node in task_runs.of_frame(conn, self._id, "") if self._is_news(node)]
        if lines:
            self._line = lines[-1]["id"]
        whole = len(lines) < _LINES and len(ends) < _ENDS
        over = row["state"] in ENDED and row["ended_at"] != self._old_end
        return Update(row, nodes, ends, lines, ended=over and whole)

    def _is_news(self, node: Row) -> bool:
        state = (node["state"], node["attempt"], node["round"], node["ended_at"])
        if not node["node"] or self._states.get(node["node"]) == state:
            return False
        self._states[node["node"]] = state
        return True

    def _ends(self, conn: Connection) -> list[Row]:
        # One thread makes these times and commits in their order: nothing earlier comes after something later.
        found = progress.ended_iterations(conn, self._id, self._since, _ENDS + len(self._last_ends))
        fresh = [row for row in found if _name(row) not in self._last_ends or row["ended_at"] > self._since]
        if fresh:
            latest = fresh[-1]["ended_at"]
            same = {_name(row) for row in fresh if row["ended_at"] == latest}
            self._last_ends = same | self._last_ends if latest == self._since else same
            self._since = latest
        return fresh

    def _skip(self) -> None:
        with self._app.store.read() as conn:
            self._line = progress.last_line(conn, self._id)
        while True:
            update = self._look()
            if len(update.iterations) < _ENDS:
                return


def _name(row: Row) -> tuple[str, str, int]:
    return row["path"], row["node"], row["idx"]
