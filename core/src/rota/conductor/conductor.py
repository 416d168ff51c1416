"""The conductor: the one thread that owns the state of the executions it runs.

A turn drains the inbox, applies everything, writes all changes in one transaction, and only then hands work to
workers. An acknowledged result is on disk; what runs was on record before it ran.
"""

from __future__ import annotations

import gc
import os
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from rota.conductor.batch import Batch
from rota.conductor.controls import Controls
from rota.conductor.driver import Driver
from rota.conductor.host import LocalHost
from rota.conductor.iterations import Iterations
from rota.conductor.jobs import Attempt, Evaluation
from rota.conductor.lifecycle import Lifecycle
from rota.conductor.live import Live, LiveFrame
from rota.conductor.locking import Locking
from rota.conductor.logbuffer import LogBuffer
from rota.conductor.ownership import LeaseLost, Ownership
from rota.conductor.recovery import Recovery
from rota.conductor.revisions import Revisions
from rota.conductor.workers import RETIRED, Workers
from rota.errors import StoreError
from rota.executions.models import Ended, Evaluated, Problem, State
from rota.executions.worker import Outcome, execute
from rota.store import Connection

if TYPE_CHECKING:
    from rota.conductor.resources import Resources

T = TypeVar("T")

MOST_EVENTS = 1000
LONGEST_TURN = 0.05
IDLE = 0.4
"""Seconds between two looks for what other processes have asked, when nothing happens."""
SWITCH = 0.001
"""Seconds a thread may keep the interpreter to itself: with the usual 5 ms, busy tasks would hold up every turn."""
GARBAGE = 10_000
"""Objects made until the interpreter looks for circles: there are many frames, and hardly any circle."""
BUSY_LOOK = 0.1
"""Seconds between two such looks at the least."""


class Conductor:
    """Runs executions in this process until it is stopped. `server`: it also takes those that nobody owns."""

    def __init__(self, resources: Resources, *, server: bool = False) -> None:
        settings = resources.settings
        self.id = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self.resources = resources
        self.server = server
        self.store = resources.store
        self._inbox: SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...]]] = SimpleQueue()
        self.lines = LogBuffer(self._wake)
        self.host = LocalHost(resources, self.submit, self.lines, settings.grace.total_seconds())
        self.host.record_pid = self._record_pid
        self.workers = Workers(settings.workers)
        self.ownership = Ownership(self.store, self.id, settings.lease.total_seconds())
        self.driver = Driver(settings.grace.total_seconds())
        self.driver.broken = self._broken
        self.driver.later = self._put
        self.revisions = Revisions(resources)
        self.recovery = Recovery(self)
        self.iterations = Iterations(self.driver, self.store, self.recovery.reopen_frame)
        self.locking = Locking(self.driver, self.store, self.iterations, self.id)
        self.lifecycle = Lifecycle(
            self.driver, resources, self.revisions, self.host, self.iterations, self.locking, self.id
        )
        self.lifecycle.reopen = self.recovery.reopen
        self.lifecycle.ended = self._execution_ended
        self.driver.attach(self.iterations, self.locking, self.lifecycle)
        self.controls = Controls(self)
        self.abandoned = 0
        self.draining = False
        self.failure: BaseException | None = None
        """What ended the loop against its will."""
        self._look_at = 0.0
        self.announced = threading.Event()
        """Set after a commit with something in the outbox, for those who read that."""
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._waiting: dict[str, list[threading.Event]] = {}
        self._waiting_lock = threading.Lock()

    # --- for other threads

    def start(self) -> None:
        """Register and begin to run. Raises StoreError."""
        self.ownership.register(serving=self.server)
        sys.setswitchinterval(min(SWITCH, sys.getswitchinterval()))
        gc.set_threshold(max(GARBAGE, gc.get_threshold()[0]), *gc.get_threshold()[1:])
        self._thread = threading.Thread(target=self._run, name="rota-conductor", daemon=True)
        self._thread.start()

    def call(self, do: Callable[[], T]) -> T:
        """Run `do` on the conductor's thread; return what it gave once what it changed is on disk, or raise its error."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                result = do()
            except BaseException as error:
                future.set_exception(error)
            else:
                self.driver.batch.after.append(lambda: future.set_result(result))

        self._put(run)
        return self._result(future)

    def submit(self, write: Callable[[Connection], T]) -> T:
        """Run `write` in the next transaction, and return what it gave once that is on disk."""
        future: Future[T] = Future()
        results: list[T] = []
        errors: list[Exception] = []

        def guarded(conn: Connection) -> None:
            results.clear()
            errors.clear()
            try:
                results.append(write(conn))
            except StoreError:
                raise
            except Exception as error:  # noqa: BLE001 - what a caller asks for must not end what others wait for
                errors.append(error)

        def tell() -> None:
            if errors:
                future.set_exception(errors[0])
            else:
                future.set_result(results[0])

        def run() -> None:
            self.driver.batch.writes.append(guarded)
            self.driver.batch.after.append(tell)

        self._put(run)
        return self._result(future)

    def wait(self, execution_id: str, timeout: float | None = None) -> bool:
        """Wait until an execution of ours has ended; False when `timeout` seconds passed before that."""
        event = threading.Event()
        with self._waiting_lock:
            self._waiting.setdefault(execution_id, []).append(event)
        if execution_id not in self.driver.lives:
            return True
        found = event.wait(timeout)
        if self.failure is not None:
            raise self.failure
        return found

    def look(self) -> None:
        """Have the conductor see at once what this process has just asked."""
        self._put(self.controls.apply)

    def stop(self, drain: float | None = None) -> None:
        """Start nothing more, wait up to `drain` seconds for what runs, hand the rest over, and end."""
        settings = self.resources.settings
        self.draining = True
        limit = time.monotonic() + (settings.drain_timeout.total_seconds() if drain is None else drain)
        while self.driver.running and self._alive() and time.monotonic() < limit:
            time.sleep(0.02)
        if self.driver.running and self._alive():
            self._put(self._stop_all, "shutdown")
            limit = time.monotonic() + settings.grace.total_seconds() * 2 + 1
            while self.driver.running and self._alive() and time.monotonic() < limit:
                time.sleep(0.02)
        self._stopping.set()
        self._wake()
        if self._thread is not None:
            self._thread.join(30)
        self.workers.close()
        self.lines.close()
        self.host.close()
        self.ownership.leave()

    def hurry(self) -> None:
        """End what runs, instead of letting `stop` wait for it; may be called from a signal handler."""
        self._put(self._stop_all, "shutdown")

    # --- the loop

    def _run(self) -> None:
        try:
            self.recovery.adopt_dead()
            while not self._stopping.is_set():
                self.turn(self._patience())
            self.turn(0)
        except BaseException as error:
            self.failure = error
            with self._waiting_lock:
                for events in self._waiting.values():
                    for event in events:
                        event.set()
            if not isinstance(error, LeaseLost):
                raise

    def turn(self, timeout: float) -> None:
        """Do one turn: wait up to `timeout` seconds for something to do."""
        self._receive(timeout)
        now = time.time()
        self.driver.fire(now, self._abandon)
        self.locking.expire(now)
        self._look(now)
        self._settle()

    def _receive(self, timeout: float) -> None:
        inbox = self._inbox
        try:
            do, arguments = inbox.get(timeout=timeout) if timeout > 0 else inbox.get_nowait()
        except Empty:
            return
        do(*arguments)
        until = time.monotonic() + LONGEST_TURN
        for count in range(MOST_EVENTS):
            try:
                do, arguments = inbox.get_nowait()
            except Empty:
                return
            do(*arguments)
            if not count % 64 and time.monotonic() > until:
                return

    def _settle(self) -> None:
        """Apply, write, hand out; and again, as long as what was written has consequences of its own."""
        driver = self.driver
        while True:
            driver.settle()
            given = self._assign()
            batch = driver.batch
            self.lines.drain(batch)
            batch.close(time.time())
            if not batch and not batch.after and not given:
                return
            driver.batch = Batch()
            if batch:
                self._commit(batch)
                self.host.recent.take_in(batch.task_runs)
                if batch.outbox:
                    self.announced.set()
            for job in given:
                self._give(job)
            for do in batch.after:
                do()
            if not (driver.pending or driver.batch or driver.batch.after):
                return

    def _assign(self) -> list[Attempt | Evaluation]:
        if self.draining or self.abandoned >= self.resources.settings.max_abandoned:
            return []
        given: list[Attempt | Evaluation] = []
        free, driver = self.workers.free, self.driver
        while len(given) < free:
            job = driver.ready.pop()
            if job is None:
                break
            if isinstance(job, Evaluation) or driver.begin(job, self.ownership.may_start):
                given.append(job)
        return given

    def _give(self, job: Attempt | Evaluation) -> None:
        if isinstance(job, Evaluation):
            self.workers.give(lambda: self._put(self._evaluated, job, *job.run()))
        else:
            self.workers.give(lambda: self._work(job))

    def _work(self, attempt: Attempt) -> object:
        assert attempt.assignment is not None
        outcome = execute(attempt.assignment)
        self._inbox.put((self._attempt_done, (attempt, outcome)))
        return RETIRED if attempt.abandoned else None

    def _commit(self, batch: Batch) -> None:
        delay = 0.05
        while True:
            try:
                self.ownership.commit(batch.write)
                return
            except LeaseLost:
                self._fenced()
                raise
            except StoreError as error:
                if not self.ownership.retryable(error):
                    raise
                self.ownership.complain(error)
                time.sleep(delay)
                delay = min(delay * 2, 5.0)

    def _patience(self) -> float:
        if self.driver.pending:
            return 0.0
        now = time.time()
        due = [at for at in (self.driver.timers.next_due(), self.locking.next_expiry()) if at is not None]
        return max(0.0, min([IDLE, *(at - now for at in due)]))

    def _look(self, now: float) -> None:
        """Renew the lease in time, and see what other processes ask."""
        if self.ownership.due(now):
            self.ownership.renew()
            self.recovery.adopt_dead()
            self.controls.renew_leases(now)
            self.lifecycle.close_idle_clients()
        if now < self._look_at:
            return
        self._look_at = now + BUSY_LOOK
        if self.ownership.news():
            self.controls.apply()
            if self.server and not self.draining:
                self.recovery.take_unowned()

    # --- what workers bring

    def _attempt_done(self, attempt: Attempt, outcome: Outcome) -> None:
        if attempt.abandoned:
            self._returned(attempt)
            return
        self.workers.done()
        self.driver.attempt_ended(attempt, outcome)

    def _evaluated(self, job: Evaluation, event: Evaluated, rows: list[dict[str, Any]] | None) -> None:
        self.workers.done()
        frame = job.frame
        if frame.ended:
            return
        if rows is not None and event.problem is None:
            self.iterations.freeze(frame, event, rows)
            return
        if job.starts:
            self.lifecycle.render_subflow(frame, event.node, job.rendered, event.problem)
            return
        if job.rendered is not None:
            frame.live.rendered[(frame.path, event.node)] = job.rendered
        if event.stage == "end" and event.problem is None:
            if frame.parent is None:
                event = self.lifecycle.outputs(frame.live, event)
            elif "collect" in event.values:
                frame.collected = event.values.pop("collect")
        self.driver.feed(frame, event)

    def _abandon(self, frame: LiveFrame, node: str) -> None:
        """Give up a task that does not end: its thread is replaced, its late result refused, its locks stay held."""
        attempt = self.driver.jobs.get((frame, node))
        if not isinstance(attempt, Attempt) or attempt.assignment is None or attempt not in self.driver.running:
            return
        attempt.abandoned = True
        self.abandoned += 1
        frame.live.abandoned += 1
        self.workers.replace()
        reason = attempt.assignment.stop_reason or "cancel"
        state = State.CANCELLED if reason == "cancel" else State.FAILED
        message = f"it ignored its {reason} and was given up; its thread still runs"
        problem = Problem(reason, message, node, frame.view.key or "", attempt.number)
        self.driver.attempt_ended(attempt, Outcome(Ended(node, attempt.number, state, problem)))
        if self.abandoned >= self.resources.settings.max_abandoned:
            self.ownership.report(f"{self.abandoned} tasks ignore their cancellation: no more work is taken")

    def _returned(self, attempt: Attempt) -> None:
        live = attempt.frame.live
        self.abandoned -= 1
        live.abandoned -= 1
        if not live.abandoned:
            deferred, live.deferred = live.deferred, []
            for do in deferred:
                do()

    def _record_pid(self, ctx: Any, pid: int, born: str) -> None:
        self._put(self.recovery.record_pid, ctx.execution_id, ctx.task_run_id, pid, born)

    # --- what goes wrong

    def _broken(self, live: Live, error: BaseException) -> None:
        """An error in the interpreter fails that execution alone."""
        import traceback

        self.ownership.report(
            f"execution {live.id} failed inside Rota:\n{''.join(traceback.format_exception(error)).rstrip()}"
        )
        for attempt in [attempt for attempt in self.driver.running if attempt.frame.live is live]:
            if attempt.assignment is not None:
                attempt.assignment.stop("cancel")
        for frame in [frame for frame in self.driver.batch.frames if frame.live is live]:
            del self.driver.batch.frames[frame]
        self.recovery.mark_lost(live)
        problem = Problem("internal", f"{type(error).__name__}: {error}", retryable=False)
        self.lifecycle.end(live, State.FAILED, problem)

    def _fenced(self) -> None:
        """Somebody else owns what was ours: stop everything, keep nothing."""
        self._stop_all("shutdown")
        self.driver.lives.clear()

    def _stop_all(self, reason: str) -> None:
        for attempt in list(self.driver.running):
            if attempt.assignment is not None:
                attempt.assignment.stop(reason)

    def _execution_ended(self, live: Live) -> None:
        with self._waiting_lock:
            events = self._waiting.pop(live.id, [])
        for event in events:
            event.set()
        if live.leased or live.view.secrets.leased:
            self.controls.revoke(live.id)

    def _put(self, do: Callable[..., Any], *arguments: Any) -> None:
        self._inbox.put((do, arguments))

    def _wake(self) -> None:
        self._inbox.put((_nothing, ()))

    def _alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _result(self, future: Future[T]) -> T:
        while True:
            try:
                return future.result(timeout=1.0)
            except TimeoutError:
                if future.done():
                    return future.result()
                if not self._alive():
                    raise self.failure or StoreError("the conductor has stopped") from None


def _nothing() -> None:
    """Only wakes the conductor."""
