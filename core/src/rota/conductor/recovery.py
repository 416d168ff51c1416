"""What becomes of executions whose conductor is gone, and how frames come back from their rows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from rota.conductor.live import Live, LiveFrame, child_path
from rota.conductor.reaper import kill_group
from rota.errors import RotaError
from rota.executions.interpreter.frame import Frame
from rota.executions.interpreter.program import ITERATED, ROOT
from rota.executions.interpreter.ranges import Ranges
from rota.executions.models import Ended, NodeState, Problem, Restart, Start, State
from rota.store import Connection, Store, commands, conductors, executions, iterations, task_runs, timers
from rota.store.lost import OVER, mark_lost
from rota.store.presence import claim

if TYPE_CHECKING:
    from rota.conductor.conductor import Conductor

ADOPTIONS = 5
"""How often an execution is taken over without having got anywhere before it is called poison."""


class Recovery:
    """Takes over from dead conductors, and rebuilds executions from rows."""

    def __init__(self, conductor: Conductor) -> None:
        self._conductor = conductor

    @property
    def _store(self) -> Store:
        return self._conductor.store

    # --- taking over

    def adopt_dead(self) -> None:
        """Find conductors that died; take over what a server may take, mark the rest as lost."""
        own = self._conductor
        with self._store.read() as conn:
            suspects = [id for id in conductors.expired(conn, own.ownership.margin) if id != own.id]
        for dead in suspects:
            presence = None
            if self._store.path is not None:
                presence = claim(self._store.path, dead)
                if presence is None:
                    continue
            try:
                self._adopt(dead)
            finally:
                if presence is not None:
                    presence.release()

    def _adopt(self, dead: str) -> None:
        own = self._conductor
        taken: list[dict[str, Any]] = []

        def adopt(conn: Connection) -> None:
            ids = _adoptable(conn, dead, server=own.server)
            rows = conductors.adopt(conn, dead, own.id, ids, margin=own.ownership.margin)
            taken[:] = rows or []
            for row in taken:
                if row["mode"] == "local":
                    mark_lost(conn, row["id"])
            conductors.forget(conn)

        own.ownership.commit(adopt)
        for row in sorted(taken, key=lambda row: (row["root_id"] != row["id"], row["id"])):
            if row["mode"] == "local":
                self._give_up(row, "lost", "the process that ran it has died")
            elif row["adoptions"] >= ADOPTIONS:
                self._give_up(row, "poison", f"it was taken over {row['adoptions']} times without progress")
            else:
                self._take(row)

    def take_unowned(self) -> None:
        """Take executions that nobody owns, if every task type of theirs is here."""
        own = self._conductor
        with self._store.read() as conn:
            free = [row for row in executions.unowned(conn) if row["root_id"] == row["id"] or row["parent_id"] is None]
            families = [row["id"] for row in free]
        if not families:
            return
        taken: list[dict[str, Any]] = []

        def take(conn: Connection) -> None:
            ids = set(executions.take(conn, families, own.id))
            taken[:] = [row for row in executions.get_many(conn, list(ids))]

        own.ownership.commit(take)
        for row in taken:
            self._take(row)

    def _take(self, row: dict[str, Any]) -> None:
        """Drive an execution that is ours now, from where its rows say that it is."""
        own = self._conductor
        if row["id"] in own.driver.lives:
            return
        try:
            with self._store.read() as conn:
                live = own.lifecycle.adopt_row(conn, row)
        except RotaError as error:
            self._give_up(row, "internal", error.message)
            return
        self.reopen(live)

    def _give_up(self, row: dict[str, Any], kind: str, message: str) -> None:
        """End an execution that cannot go on; a person may restart it."""
        own = self._conductor
        hint = f"`rota executions restart {row['id']}` goes on with it"
        own.ownership.report(f"execution {row['id']} ({row['namespace']}/{row['flow']}) has failed: {message}; {hint}")
        now = time.time()
        problem = {"type": kind, "message": f"{message}; {hint}"}

        def end(conn: Connection) -> None:
            from rota.store import locks, outbox

            mark_lost(conn, row["id"])
            executions.update(conn, row["id"], state="failed", problem=problem, ended_at=now)
            timers.clear_all(conn, [row["id"]])
            locks.release_all(conn, [row["id"]], at=now)
            outbox.add(conn, [{"execution_id": row["id"], "run": row["run"], "state": "failed", "created_at": now}])

        own.ownership.commit(end)
        own.controls.revoke(row["id"])

    def mark_lost(self, live: Live) -> None:
        """Have the rows of an execution that is given up say so."""
        self._conductor.driver.batch.first.append(lambda conn: mark_lost(conn, live.id))

    # --- coming back

    def reopen(self, live: Live) -> None:
        """Go on with an execution from its rows: as it was if it had not ended, else as a restart does."""
        own = self._conductor
        with self._store.read() as conn:
            states = _states(conn, live.id, "")
            open_timers = timers.of_execution(conn, live.id)
        if not states:
            own.lifecycle.begin(live)
            return
        assert live.root is not None
        if live.row["ended_at"] is not None or _has_ended(states):
            self._restart_as_asked(live)
            return
        commands = self._load(live.root, states)
        for row in open_timers:
            address = (live.id, row["path"], row["node"], row["name"])
            # A stopped clock is stored as what it had left, below zero.
            if row["due_at"] < 0:
                own.driver.timers.keep_paused(address, -row["due_at"])
            else:
                own.driver.timers.set(address, row["due_at"])
        for frame, lost in commands:
            for node, attempt, pids in lost:
                self._lose(frame, node, attempt, pids)
            own.driver.batch.touch(frame)
            own.driver.carry_out(frame, frame.frame.resume())

    def _load(
        self, frame: LiveFrame, states: list[dict[str, Any]]
    ) -> list[tuple[LiveFrame, list[tuple[str, int, Any]]]]:
        """Rebuild a frame and the open ones in it; return each with the tasks that ran when the conductor died."""
        pids = {row["node"]: row["pid"] for row in states}
        self._fill(frame, states)
        found = [(frame, [(node, attempt, pids.get(node)) for node, attempt in frame.frame.running()])]
        for node in [row["node"] for row in states if frame.program.nodes[row["node"]].kind in ITERATED]:
            with self._store.read() as conn:
                rows = iterations.page(conn, frame.live.id, frame.path, node, states=("running",), limit=None)
            for row in rows:
                child = self._conductor.iterations.rebuilt(frame, node, row)
                with self._store.read() as conn:
                    inner = _states(conn, frame.live.id, child.path)
                if inner:
                    found += self._load(child, inner)
                else:
                    self._conductor.driver.feed(child, Start())
        return found

    def _fill(self, frame: LiveFrame, states: list[dict[str, Any]]) -> None:
        frame.frame = Frame.load(frame.program, [node_state(row) for row in states])
        frame.view.nodes = frame.frame.states

    def _lose(self, frame: LiveFrame, node: str, attempt: int, pids: Any) -> None:
        """End what is left of a task whose conductor died, and say that it is lost."""
        for pid, born in pids or ():
            kill_group(pid, born, self._conductor.driver.grace)
        prepared = frame.live.revision.prepared[node]
        problem = Problem("lost", "the server died while it ran", node, frame.view.key or "", attempt)
        rerun = bool(prepared.known_idempotent)
        self._conductor.driver.feed(frame, Ended(node, attempt, State.LOST, problem, rerun))

    def _restart_as_asked(self, live: Live) -> None:
        """Go on with an execution that had ended; where a person asked for it, as that person said."""
        with self._store.read() as conn:
            asked = [row for row in commands.open_of(conn, live.id) if row["kind"] == "restart"]
        for row in asked:
            self._conductor.driver.batch.writes.append(
                lambda conn, row=row: commands.applied(conn, row["id"], {"ok": True}, at=time.time())  # type: ignore[misc]
            )
        self.restart(live, targets=(asked[-1]["payload"] or {}).get("targets") if asked else None)

    # --- restarting

    def restart(self, live: Live, *, targets: list[str] | None = None, everything: bool = False) -> None:
        """Go on with an execution that has ended, at what did not succeed."""
        own = self._conductor
        live.run += 1
        live.ended_at, live.problem = None, None
        assert live.root is not None
        with self._store.read() as conn:
            states = _states(conn, live.id, "")
            todo = self._todo(conn, live.root, states, targets)
        live.root.ended = False
        live.view.run = live.run
        self._fill(live.root, states)
        own.lifecycle.begin_again(live, Restart(todo, everything) if states else Start())

    def reopen_frame(self, parent: LiveFrame, child: LiveFrame) -> None:
        """Go on with an iteration that ran before and did not succeed."""
        with self._store.read() as conn:
            states = _states(conn, child.live.id, child.path)
            todo = self._todo(conn, child, states, None)
        self._fill(child, states)
        self._conductor.driver.feed(child, Restart(todo) if states else Start())

    def _todo(
        self, conn: Connection, frame: LiveFrame, states: list[dict[str, Any]], targets: list[str] | None
    ) -> dict[str, list[list[int]]]:
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
        return todo

    def record_pid(self, execution_id: str, task_run_id: str, pid: int, born: str) -> None:
        """Put a child program on record, so that an adopter on this host can end it."""
        for attempt in self._conductor.driver.running:
            frame = attempt.frame
            own = f"{frame.path}/{attempt.node}" if frame.path else attempt.node
            if frame.live.id == execution_id and own == task_run_id:
                attempt.pids.append([pid, born])
                pids = list(attempt.pids)
                self._conductor.driver.batch.writes.append(
                    lambda conn: task_runs.set_pids(conn, execution_id, frame.path, attempt.node, pids)
                )
                return


def _undone(conn: Connection, execution_id: str, path: str, node: str) -> list[list[int]]:
    """Return the ranges of iterations that did not succeed, or that have something left in them to do."""
    ranges = Ranges(iterations.undone(conn, execution_id, path, node))
    for row in iterations.page(conn, execution_id, path, node, states=("warning",), limit=None, items=False):
        frame = task_runs.of_frame(conn, execution_id, child_path(path, node, row["key"]))
        if any(one["node"] == ROOT and (one["data"] or {}).get("left") for one in frame):
            ranges.add(row["idx"])
    return ranges.pairs()


def living_servers(store: Store) -> list[dict[str, Any]]:
    """Return the conductors that live, `rota run` ones included, as far as can be seen from here."""
    with store.read() as conn:
        rows = [row for row in conductors.every(conn) if row["state"] == "serving"]
        dead = set(conductors.expired(conn, 0.0)) if store.path is None else set()
    alive = []
    for row in rows:
        if store.path is not None:
            presence = claim(store.path, row["id"])
            if presence is not None:
                presence.release()
                continue
        elif row["id"] in dead:
            continue
        alive.append(row)
    return alive


def node_state(row: dict[str, Any]) -> NodeState:
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


def _states(conn: Connection, execution_id: str, path: str) -> list[dict[str, Any]]:
    return task_runs.of_frame(conn, execution_id, path)


def _has_ended(states: list[dict[str, Any]]) -> bool:
    return any(row["node"] == ROOT and row["state"] in OVER for row in states)


def _adoptable(conn: Connection, dead: str, *, server: bool) -> list[str] | None:
    """Servers take everything; `rota run` takes only what died with another `rota run`, to mark it."""
    if server:
        return None
    return [row["id"] for row in executions.of_owner(conn, dead) if row["mode"] == "local"]
