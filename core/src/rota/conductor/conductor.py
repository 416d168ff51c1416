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
import traceback
import uuid
from collections.abc import Callable, Collection
from concurrent.futures import Future
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from rota.conductor.abandoned import Abandoned
from rota.conductor.batch import Batch
from rota.conductor.controls import Controls
from rota.conductor.draining import Draining
from rota.conductor.driver import Driver
from rota.conductor.giving_up import GivingUp
from rota.conductor.host import LocalHost
from rota.conductor.iterations import Iterations
from rota.conductor.jobs import Attempt, Evaluation
from rota.conductor.lease_watch import LeaseWatch
from rota.conductor.lifecycle import Lifecycle
from rota.conductor.live import Live
from rota.conductor.locking import Locking
from rota.conductor.logbuffer import LogBuffer
from rota.conductor.ownership import LeaseLost, Ownership, mended_by_waiting
from rota.conductor.rebuilding import Rebuilding
from rota.conductor.recovery import Recovery
from rota.conductor.revisions import Revisions
from rota.conductor.secret_leases import SecretLeases
from rota.conductor.workers import RETIRED, Workers
from rota.errors import RotaError, StoreError
from rota.executions.clients import close_clients
from rota.executions.models import Evaluated, Problem
from rota.executions.worker import Outcome, execute
from rota.store import Connection, failpoints

if TYPE_CHECKING:
    from rota.conductor.resources import Resources

T = TypeVar("T")

MOST_EVENTS = 1000
LONGEST_TURN = 0.05
IDLE = 0.4
"""Seconds between two looks for what other processes have asked, when nothing happens."""
SWITCH = 0.001
"""Seconds a thread may keep the interpreter to itself: with the usual 5 ms, busy tasks would hold up every turn."""
GARBAGE = 50_000
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
        self.driver.later = self._put
        self.revisions = Revisions(resources)
        self.driver.read = self.ownership.read
        self.recovery = Recovery(self)
        self.rebuilding = Rebuilding(self)
        self.giving_up = GivingUp(self)
        self.driver.broken = self.giving_up.broken
        self.draining = Draining(self)
        self.iterations = Iterations(self.driver, self.store, self.rebuilding.reopen_frame)
        self.locking = Locking(self.driver, self.store, self.iterations, self.id)
        self.lifecycle = Lifecycle(
            self.driver, resources, self.revisions, self.host, self.iterations, self.locking, self.id
        )
        self.lifecycle.reopen = self.rebuilding.reopen
        self.lifecycle.ended = self._execution_ended
        self.driver.attach(self.iterations, self.locking, self.lifecycle)
        self.controls = Controls(self)
        self.leases = SecretLeases(self)
        self.abandoned = Abandoned(self)
        self.evaluating: set[Evaluation] = set()
        self.failure: BaseException | None = None
        """What ended the loop against its will."""
        self._look_at = 0.0
        self._turned_at = time.monotonic()
        self.listeners: list[threading.Event] = []
        """Set after a commit with something in the outbox, and when others have written: for those who read that."""
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._lease_watch: LeaseWatch | None = None
        self._waiting: dict[str, list[threading.Event]] = {}
        self._waiting_lock = threading.Lock()

    # --- for other threads

    def start(self) -> None:
        """Register and begin to run. Raises StoreError."""
        self.ownership.register(serving=self.server)
        sys.setswitchinterval(min(SWITCH, sys.getswitchinterval()))
        _look_for_garbage()
        self._thread = threading.Thread(target=self._run, name="rota-conductor", daemon=True)
        self._thread.start()
        if not self.ownership.by_presence:
            self._lease_watch = LeaseWatch(self.ownership, partial(self.stop_all, "lease"), self.host.kill)

    def call(self, do: Callable[[], T]) -> T:
        """Run `do` on the conductor's thread; return what it gave once its changes are on disk, or raise its error."""
        future: Future[T] = Future()

        def run() -> None:
            batch = self.driver.batch
            batch.of = f"call {id(future)}"
            try:
                result = do()
            except BaseException as error:  # noqa: BLE001 - handed to who asked
                future.set_exception(error)
            else:
                batch.promises.append((batch.of, future, lambda: result))

        self._put(run)
        return self._result(future)

    def submit(self, write: Callable[[Connection], T]) -> T:
        """Run `write` in the next transaction, and return what it gave once that is on disk."""
        future: Future[T] = Future()
        results: list[T] = []

        def run() -> None:
            batch = self.driver.batch
            batch.of = f"write {id(future)}"
            batch.writes.append(lambda conn: results.__setitem__(slice(None), [write(conn)]))
            batch.promises.append((batch.of, future, lambda: results[0]))

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

    def announce(self) -> None:
        """Wake those who wait for what is new in the store."""
        for event in self.listeners:
            event.set()

    def look_for_work(self) -> None:
        """Have the conductor take at once, if it is a server's, what was made for servers."""
        self.ownership.look_again()
        self._look_at = 0.0
        self._wake()

    def stop(self, drain: float | None = None) -> None:
        """Start nothing more, wait up to `drain` seconds for what runs, hand the rest over, and end."""
        self.draining.drain(self.resources.settings.drain_timeout.total_seconds() if drain is None else drain)
        if self.alive():
            self.leases.close()
        self.ownership.closing.set()
        self._stopping.set()
        self._wake()
        if self._thread is not None:
            self._thread.join(30)
        if self._lease_watch is not None:
            self._lease_watch.close()
        self.workers.close()
        self.lines.close()
        self.host.close()
        self.ownership.leave()

    def hurry(self) -> None:
        """End what runs, instead of letting `stop` wait for it; may be called from a signal handler."""
        self.draining.hurried.set()

    def stop_all(self, reason: str) -> None:
        """Ask everything that runs to end; may be called from any thread."""
        for attempt in tuple(self.driver.running.copy()):
            if attempt.assignment is not None:
                attempt.assignment.stop(reason)

    # --- the loop

    def _run(self) -> None:
        try:
            self._try(self.recovery.adopt_dead)
            while not self._stopping.is_set():
                self.turn(self._patience())
            self.turn(0)
        except BaseException as error:
            self.failure = error
            self.stop_all("lease")
            self.host.kill()
            with self._waiting_lock:
                for events in self._waiting.values():
                    for event in events:
                        event.set()
            if not isinstance(error, LeaseLost):
                raise

    def turn(self, timeout: float) -> None:
        """Do one turn: wait up to `timeout` seconds for something to do."""
        self._turned_at = time.monotonic()
        self._receive(timeout)
        self.driver.batch.of = ""
        self.driver.fire(self.abandoned.abandon)
        self.locking.expire(time.time())
        self._look()
        self.settle()
        if self.draining:
            self.draining.hand_over()

    def _receive(self, timeout: float) -> None:
        inbox = self._inbox
        try:
            do, arguments = inbox.get(timeout=timeout) if timeout > 0 else inbox.get_nowait()
        except Empty:
            return
        self._do(do, arguments)
        until = time.monotonic() + LONGEST_TURN
        for count in range(MOST_EVENTS):
            try:
                do, arguments = inbox.get_nowait()
            except Empty:
                return
            self._do(do, arguments)
            if not count % 64 and time.monotonic() > until:
                return

    def _do(self, do: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self.driver.batch.of = ""
        try:
            do(*arguments)
        except (LeaseLost, StoreError):
            raise
        except Exception as error:
            job = arguments[0] if arguments else None
            if not isinstance(job, (Attempt, Evaluation)):
                raise
            self.giving_up.broken(job.frame.live, error)

    def settle(self) -> None:
        """Apply, write, hand out; and again, as long as what was written has consequences of its own."""
        driver = self.driver
        while True:
            driver.settle()
            given = self._assign()
            batch = driver.batch
            self.lines.drain(batch)
            batch.close(time.time(), self.giving_up.broken)
            if not (batch or batch.after or batch.promises or given):
                return
            driver.batch = Batch()
            refused: Collection[str] = self._commit(batch, given) if batch else ()
            if batch.outbox:
                self.announce()
            for job in given:
                self._give(job)
            self._tell(batch, refused)
            if not (driver.pending or driver.batch or driver.batch.after):
                return

    def _commit(self, batch: Batch, given: list[Attempt | Evaluation]) -> Collection[str]:
        """Write a batch, and return the families whose part the store refused for good."""
        runs = bool(given)
        refused: Collection[str] = ()
        _reach("before", runs, batch.whole_logs)
        try:
            self.ownership.commit(batch.write)
        except LeaseLost:
            raise
        except Exception as error:
            if self.ownership.closing.is_set() and mended_by_waiting(error):
                raise
            refused = self.giving_up.apart(batch, error)
        self.host.recent.take_in(batch.task_runs)
        _reach("after", runs, batch.whole_logs)
        return refused

    def _tell(self, batch: Batch, refused: Collection[str]) -> None:
        """Do what waits for the commit, and tell the threads that do."""
        for of, future, result in batch.promises:
            if of not in refused:
                future.set_result(result())
        for of, do in batch.after:
            if of not in refused:
                self.driver.batch.of = of
                self._carry_on(of, do)

    def _carry_on(self, of: str, do: Callable[[], object]) -> None:
        try:
            do()
        except (LeaseLost, StoreError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, it fails its own family alone
            self.ownership.report("".join(traceback.format_exception(error)).rstrip())
            self.giving_up.family(of, Problem("internal", f"{type(error).__name__}: {error}", retryable=False))

    def _assign(self) -> list[Attempt | Evaluation]:
        if self.draining or self.abandoned.too_many or self.ownership.left() < 2 * self.ownership.margin:
            return []
        given: list[Attempt | Evaluation] = []
        free, driver = self.workers.free, self.driver
        while len(given) < free:
            job = driver.ready.pop()
            if job is None:
                break
            if job.frame.live.gone:
                continue
            if isinstance(job, Evaluation) or driver.begin(job, self._may_start):
                given.append(job)
        return given

    def _give(self, job: Attempt | Evaluation) -> None:
        if job.frame.live.gone:
            if isinstance(job, Attempt):
                self.driver.running.discard(job)
                self.abandoned.thread_ended(job.frame.live)
        elif isinstance(job, Evaluation):
            self.evaluating.add(job)
            self.workers.give(lambda: self._put(self._evaluated, job, *job.run()))
        else:
            self.workers.give(lambda: self._work(job))

    def _may_start(self) -> bool:
        failpoints.hit("task.before_run")
        return self.ownership.may_start()

    def _work(self, attempt: Attempt) -> object:
        assert attempt.assignment is not None
        outcome = execute(attempt.assignment)
        failpoints.hit("task.after_effect")
        self._inbox.put((self._attempt_done, (attempt, outcome)))
        return RETIRED if attempt.abandoned else None

    def _patience(self) -> float:
        if self.driver.pending or self.driver.batch or self.recovery.more:
            return 0.0
        due, lock = self.driver.next_due(), self.locking.next_expiry()
        waits = [IDLE if due is None else due, IDLE if lock is None else lock - time.time()]
        return max(0.0, min(IDLE, *waits))

    def _look(self) -> None:
        """Renew the lease in time, and see what other processes ask."""
        now = time.monotonic()
        if self.ownership.due():
            self.ownership.renew()
            if not self.draining:
                self._try(self.recovery.adopt_dead)
            self._try(self.leases.look, time.time())
            self.lifecycle.close_idle_clients()
        if now < self._look_at and not self.recovery.more:
            return
        self._look_at, self.recovery.more = now + BUSY_LOOK, False
        if self.ownership.news():
            self.announce()
            self._try(self.controls.apply)
            if self.server and not self.draining and not self.abandoned.too_many:
                self._try(self.recovery.take_unowned)

    def _try(self, do: Callable[..., object], *arguments: Any) -> None:
        """Do what is done again before long: if it fails, that is told, and costs nothing else."""
        try:
            do(*arguments)
        except LeaseLost:
            raise
        except Exception as error:
            if self.ownership.closing.is_set():
                raise
            told = str(error) if isinstance(error, RotaError) else "".join(traceback.format_exception(error)).rstrip()
            self.ownership.report(told)

    # --- what workers bring

    def _attempt_done(self, attempt: Attempt, outcome: Outcome) -> None:
        if attempt.abandoned:
            self.abandoned.returned(attempt)
            return
        self.workers.done()
        if attempt.frame.live.gone:
            self.driver.running.discard(attempt)
            self.abandoned.thread_ended(attempt.frame.live)
            return
        self.driver.attempt_ended(attempt, outcome)

    def _evaluated(self, job: Evaluation, event: Evaluated, rows: list[dict[str, Any]] | None) -> None:
        self.workers.done()
        self.evaluating.discard(job)
        frame = job.frame
        if frame.ended or frame.live.gone:
            return
        self.driver.batch.of = frame.live.family
        self.driver.progress(frame.live)
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

    def _record_pid(self, ctx: Any, pid: int, born: str) -> None:
        self._put(self.rebuilding.record_pid, ctx.execution_id, ctx.task_run_id, pid, born)

    # --- ends

    def let_go(self, live: Live) -> None:
        """Tell those who wait for an execution here that this process drives it no more."""
        close_clients(live.view.clients.take_out())
        self._execution_ended(live)

    def family_of(self, execution_id: str) -> str:
        """Return the root of an execution of ours, or itself."""
        live = self.driver.lives.get(execution_id)
        return execution_id if live is None else live.family

    def _execution_ended(self, live: Live) -> None:
        with self._waiting_lock:
            events = self._waiting.pop(live.id, [])
        for event in events:
            event.set()
        if live.leased or live.view.secrets.leased:
            self.leases.revoke(live.id)

    def _put(self, do: Callable[..., Any], *arguments: Any) -> None:
        self._inbox.put((do, arguments))

    def _wake(self) -> None:
        self._inbox.put((_nothing, ()))

    def alive(self) -> bool:
        """Whether the loop turns."""
        return self._thread is not None and self._thread.is_alive()

    def still_for(self) -> float:
        """Return for how many seconds the loop has neither begun a turn nor tried a store that refuses."""
        return time.monotonic() - max(self._turned_at, self.ownership.tried_at)

    def _result(self, future: Future[T]) -> T:
        while True:
            try:
                return future.result(timeout=1.0)
            except TimeoutError:
                if future.done():
                    return future.result()
                if not self.alive():
                    raise self.failure or StoreError("the conductor has stopped") from None


def _reach(when: str, runs: bool, outcomes: bool) -> None:
    if runs:
        failpoints.hit(f"running.{when}_commit")
    if outcomes:
        failpoints.hit(f"outcome.{when}_commit")


def _look_for_garbage() -> None:
    threshold, *older = gc.get_threshold()
    if threshold > GARBAGE:  # the launcher has put it off: what was imported until here stays for good
        gc.freeze()
    gc.set_threshold(GARBAGE, *older)


def _nothing() -> None:
    """Only wakes the conductor."""
