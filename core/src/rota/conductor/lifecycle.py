"""How executions begin, wait for a place, start subflows, and end."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from rota.conductor.live import Live, LiveFrame, Revision
from rota.conductor.places import Places
from rota.conductor.views import view_of
from rota.errors import RotaError, StoreError
from rota.executions.clients import close_clients
from rota.executions.interpreter.frame import Frame
from rota.executions.interpreter.program import ROOT
from rota.executions.models import (
    Cancel,
    ChildWaiting,
    Evaluated,
    Finish,
    Problem,
    Start,
    StartSubflow,
    State,
    StopSubflow,
    SubflowEnded,
    Waiting,
)
from rota.executions.view import FrameView
from rota.executions.workdirs import remove_left_behind
from rota.flows.models import Subflow
from rota.store import Connection, executions, timers

if TYPE_CHECKING:
    from rota.conductor.driver import Driver
    from rota.conductor.host import LocalHost
    from rota.conductor.iterations import Iterations
    from rota.conductor.locking import Locking
    from rota.conductor.resources import Resources
    from rota.conductor.revisions import Revisions

IDLE_CLIENT = 300.0
"""Seconds after which a client that nobody uses is closed."""
DEEPEST = 20
"""How deep subflows may be nested."""


class Lifecycle:
    """Begins and ends the executions of one conductor."""

    def __init__(
        self,
        driver: Driver,
        resources: Resources,
        revisions: Revisions,
        host: LocalHost,
        iterations: Iterations,
        locking: Locking,
        owner: str,
    ) -> None:
        self._driver = driver
        self._resources = resources
        self._revisions = revisions
        self._host = host
        self._iterations = iterations
        self._locking = locking
        self._owner = owner
        self.places = Places(self, driver, resources.store, owner)
        self.ended: Callable[[Live], None] = _nothing
        """Told, after the commit, of each execution that has ended."""
        self.reopen: Callable[[Live], None] = _nothing
        """Has a subflow go on that ended before: the task that waits for it is restarted."""

    # --- beginning

    def adopt_row(self, conn: Connection | None, row: dict[str, Any]) -> Live:
        """Return an execution of ours in memory, its frame still empty. Raises RotaError if it cannot run here."""
        revision = self._revision(conn, row["revision_id"], row["namespace"])
        started = row["started_at"]
        if started is not None:
            self._host.recent.forget(row["id"])
        live = Live(
            row["id"],
            {**row, "owner": self._owner},
            revision,
            view_of(row, revision, self._resources, self._host),
            State(row["state"]),
            row["run"],
            row.get("root_id") or row["id"],
            adoptions=row["adoptions"],
            started_at=started,
            ended_at=row["ended_at"],
            timed=started is not None,
            locked=started is not None,
            leased=started is not None,
        )
        program = revision.program.frames[ROOT]
        frame = Frame(program)
        view = FrameView("", frame.states, program.nodes.__contains__)
        live.root = LiveFrame(live, frame, view, program)
        self._driver.lives[live.id] = live
        self._driver.batch.of = live.family
        return live

    def _revision(self, conn: Connection | None, number: int, namespace: str) -> Revision:
        known = self._revisions.known(number, namespace)
        if known is not None:
            return known
        if conn is not None:
            return self._revisions.get(conn, number, namespace)
        found: Revision = self._driver.read(lambda conn: self._revisions.get(conn, number, namespace))
        return found

    def begin_again(self, live: Live, event: Any) -> None:
        """Go on with an execution that had ended: it needs a place like any other."""
        live.first_event = event
        self.become(live, State.CREATED)
        self.begin(live)

    def begin(self, live: Live) -> None:
        """Start an execution, or let it wait for its place."""
        if live.revision.flow.concurrency is not None and live.row["place_key"] is not None:
            self.places.ask(live)
        else:
            self.start(live)

    def start(self, live: Live) -> None:
        """Feed the first event: it has its place."""
        assert live.root is not None
        now = time.time()
        if live.started_at is None:
            live.started_at = now
            live.view.started_at = datetime.fromtimestamp(now, live.view.started_at.tzinfo)
        self.become(live, State.RUNNING)
        event, live.first_event = live.first_event, None
        self._driver.feed(live.root, event or Start())

    def become(self, live: Live, state: State) -> None:
        """Put an execution into a state, and into the outbox."""
        if live.state is state and state is not State.RUNNING:
            return
        live.state = state
        batch = self._driver.batch
        batch.changed[live] = None
        batch.outbox.append({"execution_id": live.id, "run": live.run, "state": state.value, "created_at": time.time()})

    def waiting(self, frame: LiveFrame, command: Waiting) -> None:
        """Show outward that a person is waited for, or no longer."""
        feed = self._driver.feed
        if frame.parent is not None:
            feed(frame.parent, ChildWaiting(frame.parent_node, command.waiting, frame.index))
            return
        live = frame.live
        if not live.state.ended:
            self.become(live, State.PAUSED if command.waiting else State.RUNNING)
        if live.parent is not None:
            _, outer, node = live.parent
            feed(outer, ChildWaiting(node, command.waiting))

    # --- ending

    def finish(self, frame: LiveFrame, command: Finish) -> None:
        """End a frame: an iteration tells the frame outward, the root ends the execution."""
        frame.ended = True
        if frame.parent is not None:
            self._iterations.ended(frame, command.state, command.problem, command.until, command.exit)
        else:
            self.end(frame.live, command.state, command.problem)

    def end(self, live: Live, state: State, problem: Problem | None) -> None:
        """End an execution: its locks, timers and place are free with the same commit."""
        now = time.time()
        live.problem, live.ended_at = problem, now
        self.become(live, state)
        if live.root is not None:
            live.root.ended = True
        self._driver.timers.forget(live.id)
        batch = self._driver.batch
        if live.timed:
            batch.writes.append(lambda conn: timers.clear_all(conn, [live.id]))
        if live.abandoned:
            self._keep(live)
        else:
            self.free(live)
        batch.after.append(lambda: self._gone(live))
        if live.parent is not None:
            parent, outer, node = live.parent
            parent.children.pop((outer.path, node), None)
            if isinstance((step := outer.program.nodes[node].step), Subflow) and step.wait:
                self._give_outputs(live, outer, node)
                self._driver.feed(outer, SubflowEnded(node, state, problem))

    def free(self, live: Live) -> None:
        """Free what an execution holds, and hand it on."""
        if live.locked:
            self._locking.release_all(live.id)
        if live.row["place_key"] is not None:
            self.places.hand_on(live)

    def _keep(self, live: Live) -> None:
        """Threads that were given up still run: locks and place stay held until they end."""
        if live.row["place_key"] is not None:
            live.locked = True
            self.places.keep(live)
        live.deferred.append(partial(self.free, live))

    def _give_outputs(self, live: Live, outer: LiveFrame, node: str) -> None:
        """The outputs of a subflow are those of the task that waits for it."""
        from rota.executions.values import dump, unsealed

        outputs = unsealed(live.outputs or {}, self._host.unseal)
        outer.outputs[node] = dump({"execution_id": live.id, **outputs}, self._host.seal)

    def _gone(self, live: Live) -> None:
        if self._driver.lives.get(live.id) is live and live.state.ended:
            del self._driver.lives[live.id]
        close_clients(live.view.clients.take_out())
        if not live.abandoned:
            remove_left_behind(live.view)
        self.ended(live)

    def close_idle_clients(self) -> None:
        """Close the clients that nobody has used for long."""
        close_clients([one for live in self._driver.lives.values() for one in live.view.clients.take_idle(IDLE_CLIENT)])

    def outputs(self, live: Live, event: Evaluated) -> Evaluated:
        """Keep the flow's outputs with the execution; the frame needs to know only that they are there."""
        live.outputs = event.values.get("outputs")
        self._driver.batch.changed[live] = None
        return Evaluated(event.node, event.stage, {}, event.problem)

    # --- subflows

    def start_subflow(self, frame: LiveFrame, command: StartSubflow) -> None:
        """Create the execution of a subflow in this turn's transaction, or go on with the one that failed."""
        live, node = frame.live, command.node
        rendered = live.rendered.pop((frame.path, node), None)
        try:
            there = self._driver.read(lambda conn: executions.children(conn, live.id, frame.path, node))
            last = there[-1] if there else None
            known = self._driver.lives.get(last["id"]) if last else None
            if known is not None and known.state.ended:
                # Its end is written with this turn: only then do its rows say where to go on.
                live.starting.add((frame.path, node))
                self._driver.batch.after.append(lambda: self._start_later(frame, command))
                return None
            if last and (last["ended_at"] is None or (command.restart and last["state"] != State.SUCCESS.value)):
                return self._go_on(frame, node, last)
            if self._depth(live) >= DEEPEST:
                raise RotaError(f"subflows are nested deeper than {DEEPEST}", hint="is there a circle?")
        except StoreError:
            raise
        except RotaError as error:
            return self._no_subflow(frame, node, error)
        sources = frame.program.nodes[node].expressions("body")
        if sources and rendered is None:
            # It failed before there was an execution, and is restarted: what starts it has to be rendered again.
            live.starting.add((frame.path, node))
            return self._driver.render(frame, node, sources)
        return self.create_subflow(frame, node, rendered or {}, None)

    def create_subflow(
        self, frame: LiveFrame, node: str, rendered: dict[str, Any] | None, problem: Problem | None
    ) -> None:
        """Create the execution of a subflow from what was rendered for it."""
        from rota.conductor.creation import subflow_row

        if problem is not None:
            self._driver.feed(frame, SubflowEnded(node, State.FAILED, problem))
            return None
        try:
            row = self._driver.read(
                lambda conn: subflow_row(
                    conn, frame, node, rendered or {}, self._resources, self._owner, self._revisions
                )
            )
            child = self.adopt_row(None, row)
        except StoreError:
            raise
        except RotaError as error:
            return self._no_subflow(frame, node, error)
        self._driver.batch.created.append(row)
        self._link(frame, node, child)
        self.begin(child)
        return None

    def _start_later(self, frame: LiveFrame, command: StartSubflow) -> None:
        if self._still_wanted(frame, command.node):
            self.start_subflow(frame, command)

    def _still_wanted(self, frame: LiveFrame, node: str) -> bool:
        """Whether a subflow whose start was put off is still to be started."""
        starting = frame.live.starting
        if (frame.path, node) not in starting:
            return False
        starting.discard((frame.path, node))
        return True

    def render_subflow(
        self, frame: LiveFrame, node: str, rendered: dict[str, Any] | None, problem: Problem | None
    ) -> None:
        """Take in what was rendered for a subflow whose start waited for it."""
        if self._still_wanted(frame, node):
            self.create_subflow(frame, node, rendered, problem)

    def _no_subflow(self, frame: LiveFrame, node: str, error: RotaError) -> None:
        problem = Problem("subflow", frame.live.view.masker(str(error)), node, retryable=False)
        self._driver.feed(frame, SubflowEnded(node, State.FAILED, problem))

    def stop_subflow(self, frame: LiveFrame, command: StopSubflow) -> None:
        """Cancel a subflow."""
        if self._still_wanted(frame, command.node):
            problem = Problem("cancel", "it was cancelled", command.node)
            self._driver.feed(frame, SubflowEnded(command.node, State.CANCELLED, problem))
            return
        child = frame.live.children.get((frame.path, command.node))
        if child is not None and child.root is not None:
            if child.state in (State.CREATED, State.QUEUED):
                self.end(child, State.CANCELLED, Problem("cancel", "it was cancelled"))
            else:
                self._driver.feed(child.root, Cancel())

    def _link(self, frame: LiveFrame, node: str, child: Live) -> None:
        step = frame.program.nodes[node].step
        if isinstance(step, Subflow) and step.wait:
            child.parent = (frame.live, frame, node)
            frame.live.children[(frame.path, node)] = child
            return
        from rota.executions.values import dump

        frame.outputs[node] = dump({"execution_id": child.id}, self._host.seal)
        self._driver.feed(frame, SubflowEnded(node, State.SUCCESS))

    def _go_on(self, frame: LiveFrame, node: str, row: dict[str, Any]) -> None:
        """Go on with a subflow that is there: as it was, or, where it has ended, as a restart does."""
        child = self._driver.lives.get(row["id"])
        known = child is not None
        child = child or self.adopt_row(None, row)
        self._link(frame, node, child)
        if not known:
            self.reopen(child)

    def _depth(self, live: Live) -> int:
        depth = 0
        while live.parent is not None:
            live, depth = live.parent[0], depth + 1
        return depth


def _nothing(live: Live) -> None:
    """Replaced by whoever wants to know."""
