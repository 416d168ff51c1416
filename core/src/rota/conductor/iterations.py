"""Iterations of `foreach`, `fleet` and `repeat`: frames opened over a frozen list, a page of it in memory at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rota.conductor.live import LiveFrame, child_path, problem_json
from rota.executions.clients import close_clients
from rota.executions.interpreter.frame import Frame
from rota.executions.interpreter.program import ROOT
from rota.executions.models import (
    Cancel,
    Evaluated,
    FrameEnded,
    Open,
    Problem,
    Start,
    State,
    StopFrame,
    WithdrawFrame,
)
from rota.executions.values import unsealed
from rota.executions.view import FrameView
from rota.store import iterations as rows

if TYPE_CHECKING:
    from rota.conductor.driver import Driver
    from rota.conductor.live import Live
    from rota.store import Store

PAGE = 500
KEPT_PAGES = 8


class Iterations:
    """Carries out what frames command about their iterations."""

    def __init__(self, driver: Driver, store: Store, reopen: Callable[[LiveFrame, LiveFrame], None]) -> None:
        self._driver = driver
        self._store = store
        self._reopen = reopen
        """Loads the nodes of an iteration that ran before, and feeds it what it needs to go on."""

    def freeze(self, frame: LiveFrame, event: Evaluated, items: list[dict[str, Any]]) -> None:
        """Store a list before the first side effect; the frame hears of it once it is on disk."""
        address = {"execution_id": frame.live.id, "path": frame.path, "node": event.node}
        batch, live = self._driver.batch, frame.live
        batch.first.append(lambda conn: rows.remove(conn, live.id, frame.path, event.node))
        empty = _no_columns(frame, event.node)
        batch.iterations += [{**address, **item, "collected": empty} for item in items]
        for page in range(0, min(len(items), PAGE * KEPT_PAGES), PAGE):
            live.windows[(frame.path, event.node, page // PAGE)] = [
                {**address, **item} for item in items[page : page + PAGE]
            ]
        batch.after.append(lambda: self._driver.feed(frame, event))

    def open(self, frame: LiveFrame, command: Open) -> None:
        """Start, or go on with, the frame of one iteration; one that is open already stays as it is."""
        if (command.node, command.index) in frame.children:
            return
        node = frame.program.nodes[command.node]
        child = self._child(frame, command.node, command.index, self._row(frame, command.node, command.index))
        if node.kind == "repeat" and not command.restart:
            self._insert(child)
        else:
            self._mark(child, State.RUNNING, None)
        if command.restart:
            self._reopen(frame, child)
        else:
            self._driver.feed(child, Start())

    def rebuilt(self, frame: LiveFrame, node: str, row: dict[str, Any]) -> LiveFrame:
        """Return the frame of an iteration that was open when its conductor died, its nodes still to be loaded."""
        child = self._child(frame, node, row["idx"], row)
        child.started[""] = row["started_at"]
        return child

    def _child(self, frame: LiveFrame, node: str, index: int, row: dict[str, Any]) -> LiveFrame:
        program = frame.live.revision.program.frames[node]
        fleet = frame.program.nodes[node].kind == "fleet"
        path = child_path(frame.path, node, row["key"])
        known = program.nodes.__contains__
        item = unsealed(row["item"], frame.live.view.host.unseal)
        repeats = frame.program.nodes[node].kind == "repeat"
        view = FrameView(path, {}, known, frame.view, index, row["key"], item, fleet, repeats)
        child = LiveFrame(frame.live, Frame(program), view, program, frame, node, index)
        view.nodes = child.frame.states
        child.collected = _no_columns(frame, node)
        frame.children[(node, index)] = child
        return child

    def stop(self, frame: LiveFrame, command: StopFrame) -> None:
        """Cancel an open iteration."""
        child = frame.children.get((command.node, command.index))
        if child is not None:
            self._driver.feed(child, Cancel(command.reason))

    def withdraw(self, frame: LiveFrame, command: WithdrawFrame) -> None:
        """Take an iteration back in which nothing has begun."""
        child = frame.children.get((command.node, command.index))
        if child is not None:
            self._driver.feed(child, Cancel("withdraw"))

    def ended(self, child: LiveFrame, state: State, problem: Problem | None, until: bool | None, exit: bool) -> None:
        """Write how an iteration ended and tell the frame that opened it."""
        parent = child.parent
        assert parent is not None
        child.ended = True
        parent.children.pop((child.parent_node, child.index), None)
        self._mark(child, state, problem)
        self._close_clients(child)
        if problem is not None and not problem.target:
            task = (
                f"{child.path}/{problem.task}"
                if problem.task and not problem.task.startswith(child.path)
                else problem.task
            )
            problem = Problem(
                problem.type, problem.message, task, child.view.key or "", problem.attempt, problem.retryable
            )
        root = child.frame.states.get(ROOT)
        left = state is State.WARNING and root is not None and bool(root.data.get("left"))
        self._driver.feed(parent, FrameEnded(child.parent_node, child.index, state, problem, until, exit, left))

    def _close_clients(self, child: LiveFrame) -> None:
        if not child.view.repeats and (gone := child.live.view.clients.take_out(child.path)):
            self._driver.batch.after.append(lambda: close_clients(gone))

    def refused(self, frame: LiveFrame, node: str, index: int, problem: Problem) -> None:
        """Write that an iteration failed without having been opened: its lock was refused."""
        now = time.time()
        self._driver.batch.ends.append(
            _end_row(
                frame,
                node,
                index,
                self._row(frame, node, index)["key"],
                State.FAILED,
                problem,
                _no_columns(frame, node),
                now,
                now,
            )
        )

    def lock_key(self, frame: LiveFrame, node: str, index: int) -> str:
        """Return the key of an iteration's lock."""
        return str(self._row(frame, node, index)["lock_key"])

    def _mark(self, child: LiveFrame, state: State, problem: Problem | None) -> None:
        assert child.parent is not None
        now = time.time()
        started = child.started.setdefault("", now)
        self._driver.batch.ends.append(
            _end_row(
                child.parent,
                child.parent_node,
                child.index,
                child.view.key,
                state,
                problem,
                child.collected,
                None if state is State.NOT_STARTED else started,
                now if state.ended else None,
            )
        )

    def _insert(self, child: LiveFrame) -> None:
        """The iterations of `repeat` are not known beforehand: each has its row from when it starts."""
        parent, batch, index = child.parent, self._driver.batch, child.index
        assert parent is not None
        if index == 0:
            batch.first.append(lambda conn: rows.remove(conn, child.live.id, parent.path, child.parent_node))
        child.started[""] = time.time()
        batch.iterations.append(
            {
                "execution_id": child.live.id,
                "path": parent.path,
                "node": child.parent_node,
                "idx": index,
                "key": child.view.key,
                "state": State.RUNNING.value,
                "started_at": child.started[""],
            }
        )

    def _row(self, frame: LiveFrame, node: str, index: int) -> dict[str, Any]:
        if frame.program.nodes[node].kind == "repeat":
            return {"key": str(index), "item": None, "lock_key": None}
        live, page = frame.live, index // PAGE
        window = live.windows.get((frame.path, node, page))
        if window is None:
            window = self._load(live, frame.path, node, page)
        return window[index % PAGE]

    def _load(self, live: Live, path: str, node: str, page: int) -> list[dict[str, Any]]:
        after = page * PAGE - 1
        found: list[dict[str, Any]] = self._driver.read(
            lambda conn: rows.page(conn, live.id, path, node, after=after, limit=PAGE)
        )
        live.windows[(path, node, page)] = found
        while len(live.windows) > KEPT_PAGES * 4:
            live.windows.popitem(last=False)
        return found


def _no_columns(frame: LiveFrame, node: str) -> dict[str, None] | None:
    """The columns that `collect` names, null until the iteration has come to its end."""
    columns = getattr(frame.program.nodes[node].step, "collect", None)
    return dict.fromkeys(columns) if columns else None


def _end_row(
    frame: LiveFrame,
    node: str,
    index: int,
    key: str | None,
    state: State,
    problem: Problem | None,
    collected: Any,
    started: float | None,
    ended: float | None,
) -> dict[str, Any]:
    return {
        "execution_id": frame.live.id,
        "path": frame.path,
        "node": node,
        "idx": index,
        "key": key,
        "state": state.value,
        "problem": problem_json(problem),
        "collected": collected,
        "started_at": started,
        "ended_at": ended,
    }
