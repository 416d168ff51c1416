"""How executions come back from their rows: as they were, or where a restart goes on."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from rota.conductor.live import Live, LiveFrame, child_path
from rota.executions.interpreter.frame import Frame
from rota.executions.interpreter.program import ITERATED, ROOT
from rota.executions.interpreter.ranges import Ranges
from rota.executions.models import Command, Ended, Evaluate, NodeState, Problem, Restart, Start, State
from rota.executions.process_table import kill_groups
from rota.store import Connection, commands, iterations, locks, task_runs, timers
from rota.store.lost import OVER

if TYPE_CHECKING:
    from rota.conductor.conductor import Conductor

Row = dict[str, Any]


@dataclass(slots=True)
class Lost:
    """A task that ran when its conductor died, with the programs it had started: `[pid, start time]`."""

    frame: LiveFrame
    node: str
    attempt: int
    pids: list[tuple[int, str]]


class Rebuilding:
    """Rebuilds the executions of one conductor from rows."""

    def __init__(self, conductor: Conductor) -> None:
        self._conductor = conductor

    # --- as it was

    def reopen(self, live: Live) -> None:
        """Go on with an execution from its rows: as it was if it had not ended, else as a restart does."""
        own = self._conductor
        # What never started has no rows: nothing is asked for.
        new = live.started_at is None and live.state is State.CREATED
        states, waits, asked = _NONE if new else own.ownership.read(lambda conn: _of_execution(conn, live.id))
        if not states:
            own.driver.progress(live)  # it has not begun: it is not what ended the server
            own.lifecycle.begin(live)
            return
        assert live.root is not None
        if live.row["ended_at"] is not None or _has_ended(states):
            self._restart_as_asked(live)
            return
        lost: list[Lost] = []
        frames = self._load(live.root, states, lost)
        for row in waits:
            address = (live.id, row["path"], row["node"], row["name"])
            # A stopped clock is stored as what it had left, below zero.
            if row["due_at"] < 0:
                own.driver.timers.keep_paused(address, -row["due_at"])
            else:
                own.driver.timers.set(address, row["due_at"])
        own.locking.waits(asked)
        outstanding = self._resume(frames)
        self._lose(live, lost)
        if not lost and not any(isinstance(command, Evaluate) for command in outstanding):
            # Nothing of it was under way: it is not what ended the server.
            own.driver.progress(live)

    def _resume(self, frames: list[LiveFrame]) -> list[Command]:
        driver, found = self._conductor.driver, []
        for frame in frames:
            driver.batch.touch(frame)
            outstanding = frame.frame.resume()
            driver.carry_out(frame, outstanding)
            found += outstanding
        return found

    def _load(self, frame: LiveFrame, states: list[Row], lost: list[Lost]) -> list[LiveFrame]:
        """Rebuild a frame and the open ones in it and return them; `lost` gets what ran when the conductor died."""
        own = self._conductor
        pids = {row["node"]: row["pid"] for row in states}
        _fill(frame, states)
        frame.started |= {row["node"]: row["started_at"] for row in states if row["started_at"] is not None}
        for node, attempt in frame.frame.running():
            lost.append(Lost(frame, node, attempt, [(pid, born) for pid, born in pids.get(node) or ()]))
        found = [frame]
        for node in [row["node"] for row in states if frame.program.nodes[row["node"]].kind in ITERATED]:
            for row in own.ownership.read(lambda conn, node=node: _open(conn, frame, node)):  # type: ignore[misc]
                child = own.iterations.rebuilt(frame, node, row)
                inner = own.ownership.read(lambda conn, child=child: _states(conn, child))  # type: ignore[misc]
                if inner:
                    found += self._load(child, inner, lost)
                else:
                    own.driver.feed(child, Start())
        return found

    def _lose(self, live: Live, lost: list[Lost]) -> None:
        """Say of tasks that they are lost; where programs of theirs may be left, end those first."""
        self._say_lost([one for one in lost if not one.pids])
        if not (with_programs := [one for one in lost if one.pids]):
            return
        own = self._conductor
        groups = [group for one in with_programs for group in one.pids]

        def end() -> None:
            kill_groups(groups, own.driver.grace)
            own.driver.later(self._say_lost, with_programs)

        # Not on the conductor's thread: it may take the whole grace.
        threading.Thread(target=end, name=f"rota-leftovers-{live.id[-6:]}", daemon=True).start()

    def _say_lost(self, lost: list[Lost]) -> None:
        for one in lost:
            prepared = one.frame.live.revision.prepared[one.node]
            key = one.frame.view.key or ""
            problem = Problem("lost", "the server died while it ran", one.node, key, one.attempt)
            rerun = prepared.may_run_again
            self._conductor.driver.lost(one.frame, Ended(one.node, one.attempt, State.LOST, problem, rerun))

    # --- where a restart goes on

    def _restart_as_asked(self, live: Live) -> None:
        """Go on with an execution that had ended; where a person asked for it, as that person said."""
        own = self._conductor
        rows = own.ownership.read(lambda conn: commands.open_of(conn, live.id))
        asked = [row for row in rows if row["kind"] == "restart"]
        if not asked and live.state in (State.CREATED, State.QUEUED):
            # It was restarted, and its conductor died while it waited for its place.
            live.run -= 1
            asked = own.ownership.read(lambda conn: commands.of_kind(conn, live.id, "restart"))
        for row in asked:
            own.driver.batch.writes.append(
                lambda conn, row=row: commands.applied(conn, row["id"], {"ok": True}, at=time.time())
            )
        self.restart(live, targets=(asked[-1]["payload"] or {}).get("targets") if asked else None)

    def restart(self, live: Live, *, targets: list[str] | None = None, everything: bool = False) -> None:
        """Go on with an execution that has ended, at what did not succeed."""
        own, root = self._conductor, live.root
        assert root is not None
        own.driver.progress(live)
        live.run += 1
        live.ended_at, live.problem = None, None
        states, todo = own.ownership.read(lambda conn: _to_do(conn, root, targets))
        root.ended = False
        live.view.run = live.run
        _fill(root, states)
        own.lifecycle.begin_again(live, Restart(todo, everything) if states else Start())

    def reopen_frame(self, parent: LiveFrame, child: LiveFrame) -> None:
        """Go on with an iteration that ran before and did not succeed."""
        own = self._conductor
        states, todo = own.ownership.read(lambda conn: _to_do(conn, child, None))
        _fill(child, states)
        own.driver.feed(child, Restart(todo) if states else Start())

    # --- programs

    def record_pid(self, execution_id: str, task_run_id: str, pid: int, born: str) -> None:
        """Put a child program on record, so that an adopter on this host can end it."""
        own = self._conductor
        for attempt in own.driver.running:
            frame = attempt.frame
            name = f"{frame.path}/{attempt.node}" if frame.path else attempt.node
            if frame.live.id == execution_id and name == task_run_id:
                attempt.pids.append([pid, born])
                write = partial(_set_pids, (execution_id, frame.path, attempt.node), list(attempt.pids))
                own.driver.batch.writes.add(frame.live.family, write)
                return


def _set_pids(task_run: tuple[str, str, str], pids: list[list[Any]], conn: Connection) -> None:
    task_runs.set_pids(conn, *task_run, pids)


def _fill(frame: LiveFrame, states: list[Row]) -> None:
    frame.frame = Frame.load(frame.program, [node_state(row) for row in states])
    frame.view.nodes = frame.frame.states


def node_state(row: Row) -> NodeState:
    """Return what the interpreter keeps of a node from its row."""
    problem = row["problem"]
    return NodeState(
        row["node"],
        State(row["state"]),
        row["attempt"],
        row["round"],
        row["phase"],
        Problem(**problem) if problem else None,
        dict(row["data"] or {}),
    )


_NONE: tuple[list[Row], list[Row], list[Row]] = ([], [], [])


def _of_execution(conn: Connection, execution_id: str) -> tuple[list[Row], list[Row], list[Row]]:
    return (
        task_runs.of_frame(conn, execution_id, ""),
        timers.of_execution(conn, execution_id),
        locks.of_executions(conn, [execution_id]),
    )


def _states(conn: Connection, frame: LiveFrame) -> list[Row]:
    return task_runs.of_frame(conn, frame.live.id, frame.path)


def _open(conn: Connection, frame: LiveFrame, node: str) -> list[Row]:
    return iterations.page(conn, frame.live.id, frame.path, node, states=("running",), limit=None)


def _to_do(
    conn: Connection, frame: LiveFrame, targets: list[str] | None
) -> tuple[list[Row], dict[str, list[list[int]]]]:
    """Return the rows of a frame, and the ranges of iterations that a restart runs by node."""
    states = _states(conn, frame)
    todo: dict[str, list[list[int]]] = {}
    for row in states:
        if frame.program.nodes[row["node"]].kind not in ITERATED:
            continue
        address = (frame.live.id, frame.path, row["node"])
        if targets is None:
            todo[row["node"]] = _undone(conn, *address)
        else:
            indexes = sorted(iterations.indexes(conn, *address, targets).values())
            todo[row["node"]] = [[index, index] for index in indexes]
    return states, todo


def _undone(conn: Connection, execution_id: str, path: str, node: str) -> list[list[int]]:
    """Return the ranges of iterations that did not succeed, or that have something left in them to do."""
    ranges = Ranges(iterations.undone(conn, execution_id, path, node))
    for row in iterations.page(conn, execution_id, path, node, states=("warning",), limit=None, items=False):
        frame = task_runs.of_frame(conn, execution_id, child_path(path, node, row["key"]))
        if any(one["node"] == ROOT and (one["data"] or {}).get("left") for one in frame):
            ranges.add(row["idx"])
    return ranges.pairs()


def _has_ended(states: list[Row]) -> bool:
    return any(row["node"] == ROOT and row["state"] in OVER for row in states)
