"""Feeds events to frames and carries out what they command; all of it on the conductor's thread."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from rota.conductor.batch import Batch
from rota.conductor.jobs import Attempt, Evaluation, Job, failed_scope
from rota.conductor.live import Live, LiveFrame, problem_json
from rota.conductor.ready import Ready
from rota.conductor.timers import Timers
from rota.executions.models import (
    Acquire,
    AskPerson,
    Cancel,
    ClearTimer,
    Command,
    Ended,
    Evaluate,
    Evaluated,
    Event,
    Finish,
    Open,
    PauseTimer,
    Release,
    ResumeTimer,
    Run,
    SetTimer,
    StartSubflow,
    State,
    Stop,
    StopFrame,
    StopSubflow,
    TimerFired,
    Waiting,
    Withdraw,
    WithdrawFrame,
)
from rota.executions.worker import Assignment, Outcome
from rota.store import Connection, executions, task_runs

if TYPE_CHECKING:
    from rota.conductor.iterations import Iterations
    from rota.conductor.lifecycle import Lifecycle
    from rota.conductor.locking import Locking

Handler = Callable[[LiveFrame, Any], None]


class Driver:
    """The executions of one conductor: their frames, and everything that their commands touch.

    `feed` queues an event; `settle` applies all that are queued, and those that follow from them. What is to be
    written is in `batch`, what is to be run in `ready`: the conductor writes the one before it hands out the other.
    """

    def __init__(self, grace: float) -> None:
        self.batch = Batch()
        self.ready: Ready[Job] = Ready()
        self.timers = Timers()
        """What rows say: absolute times, by the wall clock."""
        self.alarms = Timers()
        """What ends with this process: deadlines of attempts, by the monotonic clock."""
        self.lives: dict[str, Live] = {}
        self.grace = grace
        self.pending: deque[tuple[LiveFrame, Event]] = deque()
        self.running: set[Attempt] = set()
        self.jobs: dict[tuple[LiveFrame, str], Job] = {}
        self.broken: Callable[[Live, BaseException], None] = _raise
        self.later: Callable[..., None] = _call
        """Has a call made on the conductor's thread; may be used from any."""
        self.read: Callable[[Callable[[Connection], Any]], Any] = _unread
        """Reads from the store, and waits for one that is away."""
        self._handlers: dict[type[Any], Handler] = {
            Run: self._run,
            Withdraw: self._withdraw,
            Stop: self._stop,
            Evaluate: self._evaluate,
            SetTimer: self._set_timer,
            ClearTimer: self._clear_timer,
            PauseTimer: self._pause_timer,
            ResumeTimer: self._resume_timer,
            AskPerson: _nothing,
        }

    def attach(self, iterations: Iterations, locking: Locking, lifecycle: Lifecycle) -> None:
        """Take in who carries out the commands about iterations, locks, subflows and ends."""
        self._handlers |= {
            Open: iterations.open,
            StopFrame: iterations.stop,
            WithdrawFrame: iterations.withdraw,
            Acquire: locking.acquire,
            Release: locking.release,
            StartSubflow: lifecycle.start_subflow,
            StopSubflow: lifecycle.stop_subflow,
            Waiting: lifecycle.waiting,
            Finish: lifecycle.finish,
        }

    # --- events

    def feed(self, frame: LiveFrame, event: Event) -> None:
        """Queue an event for a frame."""
        self.pending.append((frame, event))

    def settle(self) -> None:
        """Apply all queued events and carry out what comes of them. An error fails its execution alone."""
        pending, batch = self.pending, self.batch
        while pending:
            frame, event = pending.popleft()
            if frame.live.gone or (frame.ended and not isinstance(event, Ended)):
                continue
            batch.of = frame.live.family
            try:
                batch.frames[frame] = None
                self.carry_out(frame, frame.frame.apply(event))
            except Exception as error:  # noqa: BLE001 - it fails that execution alone
                self.broken(frame.live, error)

    def carry_out(self, frame: LiveFrame, commands: list[Command]) -> None:
        """Carry out the commands of one frame, in order."""
        handlers = self._handlers
        for command in commands:
            handlers[type(command)](frame, command)

    # --- tasks

    def _run(self, frame: LiveFrame, command: Run) -> None:
        job = Attempt(frame, command.node, command.attempt)
        self.jobs[(frame, command.node)] = job
        self.ready.push(frame.live.view.namespace, frame.live.id, job, urgent=command.urgent)

    def _withdraw(self, frame: LiveFrame, command: Withdraw) -> None:
        self._take_back(frame, command.node)

    def _take_back(self, frame: LiveFrame, node: str) -> bool:
        job = self.jobs.get((frame, node))
        if not isinstance(job, Attempt) or not self.ready.take_back(job):
            return False
        del self.jobs[(frame, node)]
        self.feed(frame, Ended(node, job.number, State.NOT_STARTED))
        return True

    def _stop(self, frame: LiveFrame, command: Stop) -> None:
        if self._take_back(frame, command.node):
            return
        assignment = frame.assignments.get(command.node)
        if assignment is not None:
            # It is the scope's time that is over, where that is the reason: the task is cancelled.
            self.stop_attempt(frame, command.node, "cancel")

    def stop_attempt(self, frame: LiveFrame, node: str, reason: str) -> None:
        """Ask a running attempt to end; it is given up if it has not after the grace."""
        assignment = frame.assignments[node]
        self.batch.after.append(partial(assignment.stop, reason))
        self.alarms.set(_address(frame, node, "abandon"), time.monotonic() + self.grace * 2 + 1)

    def begin(self, attempt: Attempt, may_start: Callable[[], bool]) -> bool:
        """Mark an attempt as running, right before the commit after which a worker gets it."""
        frame, node = attempt.frame, attempt.node
        live = frame.live
        if live.gone or frame.ended or not frame.frame.started(node):
            self.jobs.pop((frame, node), None)
            return False
        self.batch.of = live.family
        self.batch.touch(frame)
        if attempt.number > 1:
            # What an earlier attempt left behind is no output of this one.
            frame.outputs.pop(node, None)
            self.batch.first.append(partial(_forget_output, frame.live.id, frame.path, node))
        now = time.time()
        frame.started[node] = now
        prepared = live.revision.prepared[node]
        assignment = attempt.assignment = Assignment(
            live.view, frame.view, prepared, node, attempt.number, failed_scope=failed_scope(frame, node)
        )
        assignment.may_start = may_start
        frame.assignments[node] = assignment
        self.running.add(attempt)
        self._set_deadline(frame, node, assignment, now)
        return True

    def _set_deadline(self, frame: LiveFrame, node: str, assignment: Assignment, now: float) -> None:
        timeout = assignment.prepared.step.timeout
        if isinstance(timeout, timedelta):
            due = now + timeout.total_seconds()
            assignment.deadline = datetime.fromtimestamp(due, UTC)
            self._set_alarm(frame, node, due)
        elif timeout is not None:
            assignment.set_deadline = partial(self.later, self.set_deadline, frame, node, assignment)

    def set_deadline(self, frame: LiveFrame, node: str, assignment: Assignment, due: float) -> None:
        """Take in the deadline that a worker rendered for its attempt."""
        if frame.assignments.get(node) is assignment:
            self._set_alarm(frame, node, due)

    def _set_alarm(self, frame: LiveFrame, node: str, due: float) -> None:
        """A clock that is put forward or back must neither end a task nor let it run for ever."""
        self.alarms.set(_address(frame, node, "deadline"), time.monotonic() + max(0.0, due - time.time()))

    def attempt_ended(self, attempt: Attempt, outcome: Outcome) -> None:
        """Take in how an attempt ended: what a worker that was given up brings is refused."""
        self.running.discard(attempt)
        self.batch.whole_logs = True
        frame, node = attempt.frame, attempt.node
        self.jobs.pop((frame, node), None)
        frame.assignments.pop(node, None)
        if self.alarms:
            self.alarms.clear(_address(frame, node, "deadline"))
            self.alarms.clear(_address(frame, node, "abandon"))
        if outcome.output is not None:
            frame.outputs[node] = outcome.output
        if outcome.ended.state is not State.LOST:
            self.progress(frame.live)
        self.lost(frame, outcome.ended)

    def lost(self, frame: LiveFrame, ended: Ended) -> None:
        """Take in how an attempt ended, though no worker of ours had it."""
        self._keep_attempt(frame, ended)
        self.feed(frame, ended)

    def progress(self, live: Live) -> None:
        """Note that an execution gets on: how often it was taken over before is forgotten."""
        if live.adoptions:
            live.adoptions = 0
            self.batch.writes.add(live.family, lambda conn: executions.progressed(conn, live.family))

    def forget(self, live: Live) -> None:
        """Let go of an execution: it is another's, or has been given up. What its threads bring is refused."""
        live.gone = True
        if self.lives.get(live.id) is live:
            del self.lives[live.id]
        self.timers.forget(live.id)
        self.alarms.forget(live.id)
        for attempt in [attempt for attempt in self.running if attempt.frame.live is live]:
            live.abandoned += 1
            if attempt.assignment is not None:
                attempt.assignment.stop("cancel")

    def _keep_attempt(self, frame: LiveFrame, ended: Ended) -> None:
        """Earlier attempts have rows of their own; the last one is the task run's."""
        if ended.state not in (State.FAILED, State.LOST):
            return
        step = frame.live.revision.prepared[ended.node].step
        if step.retry is None and ended.attempt == 1 and ended.state is State.FAILED:
            return
        self.batch.attempts.append(
            {
                "execution_id": frame.live.id,
                "path": frame.path,
                "node": ended.node,
                "attempt": ended.attempt,
                "state": ended.state.value,
                "problem": problem_json(ended.problem),
                "started_at": frame.started.get(ended.node),
                "ended_at": time.time(),
            }
        )

    # --- expressions

    def _evaluate(self, frame: LiveFrame, command: Evaluate) -> None:
        node = frame.program.nodes[command.node]
        job = Evaluation(frame, command.node, command.stage, node.expressions(command.stage), command.lenient)
        self.ready.push(frame.live.view.namespace, frame.live.id, job, urgent=True)

    def render(self, frame: LiveFrame, node: str, sources: dict[str, Any]) -> None:
        """Have a worker render what starts a subflow that is waited for."""
        job = Evaluation(frame, node, "body", sources, lenient=False, starts=True)
        self.ready.push(frame.live.view.namespace, frame.live.id, job, urgent=True)

    def evaluated(self, frame: LiveFrame, event: Evaluated) -> None:
        """Take in what a worker rendered."""
        self.feed(frame, event)

    # --- timers

    def _set_timer(self, frame: LiveFrame, command: SetTimer) -> None:
        seconds = command.seconds
        if command.jitter:
            seconds *= 1 + command.jitter * random.uniform(-1, 1)  # noqa: S311 - spreads load, guards nothing
        self._schedule(frame, command.node, command.name, time.time() + seconds)

    def _schedule(self, frame: LiveFrame, node: str, name: str, due: float) -> None:
        address = _address(frame, node, name)
        self.timers.set(address, due)
        frame.live.timed = True
        self.batch.timers[address] = due

    def _clear_timer(self, frame: LiveFrame, command: ClearTimer) -> None:
        address = _address(frame, command.node, command.name)
        if self.timers.clear(address):
            self.batch.timers[address] = None

    def _pause_timer(self, frame: LiveFrame, command: PauseTimer) -> None:
        address = _address(frame, command.node, command.name)
        left = self.timers.pause(address, time.time())
        if left is not None:
            # A stopped clock is stored as what it has left, below zero: see `recovery`.
            self.batch.timers[address] = -max(left, 0.001)

    def _resume_timer(self, frame: LiveFrame, command: ResumeTimer) -> None:
        address = _address(frame, command.node, command.name)
        due = self.timers.resume(address, time.time())
        if due is not None:
            self.batch.timers[address] = due

    def fire(self, abandon: Callable[[LiveFrame, str], None]) -> None:
        """Feed the timers that are due, and see to attempts that are too late."""
        for address in self.timers.pop_due(time.time()):
            frame = self._frame_at(address)
            if frame is not None:
                self.batch.timers[address] = None
                self.progress(frame.live)
                self.feed(frame, TimerFired(address[2], address[3]))  # type: ignore[arg-type]
        for address in self.alarms.pop_due(time.monotonic()):
            frame, node = self._frame_at(address), address[2]
            if frame is None:
                continue
            if address[3] == "abandon":
                abandon(frame, node)
            elif node in frame.assignments:
                self.stop_attempt(frame, node, "timeout")

    def _frame_at(self, address: tuple[str, str, str, str]) -> LiveFrame | None:
        live = self.lives.get(address[0])
        return live.frame_of(address[1]) if live is not None else None

    def next_due(self) -> float | None:
        """Return in how many seconds the next timer or alarm is due, or None; it may be below zero."""
        due, alarm = self.timers.next_due(), self.alarms.next_due()
        found = [] if due is None else [due - time.time()]
        return min(found if alarm is None else [*found, alarm - time.monotonic()], default=None)

    def cancel(self, live: Live, reason: str = "cancel") -> None:
        """Cancel an execution."""
        if live.root is not None:
            self.feed(live.root, Cancel(reason))  # type: ignore[arg-type]


def _address(frame: LiveFrame, node: str, name: str) -> tuple[str, str, str, str]:
    return (frame.live.id, frame.path, node, name)


def _forget_output(execution_id: str, path: str, node: str, conn: Connection) -> None:
    task_runs.set_output(conn, execution_id, path, node, None)


def _call(do: Callable[..., object], *arguments: Any) -> None:
    do(*arguments)


def _unread(_query: Callable[[Connection], Any]) -> Any:
    raise AssertionError("the conductor says how to read")


def _nothing(frame: LiveFrame, command: Any) -> None:
    """The state of the node says it all."""


def _raise(_live: Live, error: BaseException) -> None:
    raise error
