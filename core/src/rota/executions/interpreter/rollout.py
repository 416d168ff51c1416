"""The iterations of a `foreach` or `fleet`: canary, batches, places, locks and the limit of failures."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from rota.executions.interpreter import scopes
from rota.executions.interpreter.endings import hold
from rota.executions.interpreter.limits import limits_of, rendered, unexpected
from rota.executions.interpreter.live import RANK, Many, first_error
from rota.executions.interpreter.ranges import Ranges
from rota.executions.interpreter.values import BodyProblem, count
from rota.executions.models import (
    Acquire,
    AskPerson,
    ClearTimer,
    Command,
    FrameEnded,
    LimitsChanged,
    Open,
    Problem,
    Release,
    SetTimer,
    State,
    StopFrame,
    TimerName,
    WithdrawFrame,
)

if TYPE_CHECKING:
    from rota.executions.interpreter.frame import Frame
    from rota.executions.interpreter.program import Node

FAILED, LOST, CANCELLED, NOT_STARTED = State.FAILED, State.LOST, State.CANCELLED, State.NOT_STARTED


class Rollout(Many):
    """`rest` is what nothing was done for yet, `batch` how much of it the present batch may still take.

    An iteration with a lock is first `asked` (no answer yet), then perhaps `queued` (somebody else has the lock),
    then `ready` (it has its lock and waits for a place). `open` ones hold a place. `undone` have ended, but not
    well, `aside` are those among them that a restart left out. `failures` are those that count, `accepted`
    those that a person has accepted. `asking` is what a person
    is asked, `waiting` that the time between two batches is not over, `why` what stopped it: `breach` or `rejected`.
    """

    __slots__ = (
        "accepted", "aside", "asked", "asking", "batch", "canary", "canary_failures", "failures", "held", "limits",
        "open_", "queued_", "ready", "rest", "undone", "waiting", "why",
    )  # fmt: skip

    def __init__(self, scope: Node) -> None:
        super().__init__(scope)
        self.limits = limits_of(scope, 0, {})
        self.rest, self.asked, self.queued_, self.open_, self.undone, self.aside = (Ranges() for _ in range(6))
        self.ready: deque[int] = deque()
        self.held: set[int] = set()
        self.batch = self.failures = self.canary_failures = self.accepted = 0
        self.canary = self.waiting = False
        self.asking = self.why = ""

    # --- the start

    def open(self, frame: Frame, values: dict[str, Any]) -> None:
        """Start with the whole list, or with what is left of it. Raises BadValue and BodyProblem."""
        data = frame.state(self.scope).data
        if "on" in data and "n" in data:
            left = Ranges(data.pop("left", ())).within(data["n"])
            wanted = data.pop("todo", None)
            if wanted is None:
                self.rest = left - Ranges(data.pop("aside", ()))
            else:
                self.rest = Ranges(wanted).within(data["n"])
            self.aside = left - self.rest
            self.undone = Ranges(self.aside.pairs())
        else:
            total = count(values.get("count"), "count")
            problem = unexpected(self.scope, total, values)
            if problem is not None:
                raise BodyProblem(problem)
            data.pop("left", None)
            data.pop("todo", None)
            data["values"] = rendered(values)
            data["n"] = total
            self.rest = Ranges([[0, total - 1]])
        self.limits = limits_of(self.scope, data["n"], data.get("values", {}))
        self.touch(frame)
        self._take_batch()
        self.go(frame)

    def _take_batch(self) -> None:
        canary = self.rest.below(self.limits.canary)
        self.canary = canary > 0
        self.batch = canary or min(self.limits.batch, len(self.rest))

    # --- going on

    def go(self, frame: Frame) -> None:
        """Open what may be opened; where nothing is under way, see to the next batch or end."""
        if self.over:
            return
        halted = self.stopping or bool(self.asking)
        if not halted and not self.waiting:
            self._fill(frame)
        if self.open_ or self.asked or self.queued_ or self.ready or self.asking or self.waiting:
            return
        if self.stopping or not self.rest:
            self._conclude(frame)
        else:
            self._between(frame)

    def _fill(self, frame: Frame) -> None:
        limit = self.limits.max_parallel
        while len(self.open_) < limit:
            if self.ready:
                self._open(frame, self.ready.popleft())
            elif not self.batch:
                return
            elif not self.scope.locks_items:
                self._open(frame, self._take())
            elif len(self.open_) + len(self.ready) + len(self.asked) < limit:
                index = self._take()
                self.asked.add(index)
                frame.commands.append(self._acquire(index))
            else:
                return

    def _take(self) -> int:
        self.batch -= 1
        return self.rest.pop()

    def _acquire(self, index: int) -> Acquire:
        return Acquire(self.scope.id, "", self.limits.lock_wait, index)

    def _open(self, frame: Frame, index: int) -> None:
        self.open_.add(index)
        frame.begun = True
        data = frame.states[self.scope.id].data
        data["run"] = frame.round
        frame.commands.append(Open(self.scope.id, index, "on" in data))

    def _between(self, frame: Frame) -> None:
        """A batch has ended, and there is another one."""
        limits = self.limits
        if limits.wait > 0:
            self.waiting = True
            frame.commands.append(SetTimer(self.scope.id, "wait", limits.wait))
        if limits.approve == "batch" or (limits.approve and self.canary):
            self._ask(frame, "approve")
        if not self.waiting and not self.asking:
            self._take_batch()
            self._fill(frame)

    def _passed(self, frame: Frame) -> None:
        if not self.waiting and not self.asking:
            self._take_batch()
            self.go(frame)

    # --- ends of iterations

    def frame_ended(self, frame: Frame, event: FrameEnded) -> None:
        if not self.open_.discard(event.index):
            return
        self.touch(frame)
        self.waits(frame, event.index, waiting=False)
        if self.scope.locks_items:
            frame.commands.append(Release(self.scope.id, event.index))
        if event.exit:
            self._left(frame, event)
            return
        self._count(frame, event.index, event.state, event.problem)
        if event.left:
            self.undone.add(event.index)
        self.go(frame)

    def _left(self, frame: Frame, event: FrameEnded) -> None:
        """An `exit` in the iteration ends everything; it is no failure that counts."""
        self.rank = max(self.rank, RANK[event.state])
        if not event.state.well:
            self.undone.add(event.index)
        frame.do(_go_on, self.scope, self)
        scopes.leave(frame, event.state, event.problem)

    def _count(self, frame: Frame, index: int, outcome: State, problem: Problem | None) -> None:
        if outcome.well:
            self.rank = max(self.rank, RANK[outcome])
            return
        self.undone.add(index)
        if outcome is FAILED or outcome is LOST:
            self.failures += 1
            self.canary_failures += self.canary
            if problem is not None:
                first_error(frame, self.scope, problem)
            self._check(frame)
        elif outcome is CANCELLED or not self.stopping:
            self.rank = max(self.rank, RANK[CANCELLED])

    def _breached(self) -> bool:
        beyond = (self.canary and self.canary_failures > 0) or self.limits.breached(self.failures)
        return beyond and self.failures > self.accepted

    def _check(self, frame: Frame) -> None:
        """Stop or ask if there are too many failures."""
        if self.stopping or self.asking or not self._breached():
            return
        if self.limits.on_breach != "pause":
            self._halt(frame, "breach")
        elif self.rest or self.asked or self.queued_ or self.ready:
            self._ask(frame, "breach")

    def _halt(self, frame: Frame, why: str) -> None:
        """Start nothing more, at once."""
        self.stopping = True
        self.why = why
        self._drop_locks(frame)
        for index in self.open_:
            if self.limits.on_breach == "cancel" and why == "breach":
                frame.commands.append(StopFrame(self.scope.id, index))
            else:
                frame.commands.append(WithdrawFrame(self.scope.id, index))

    def _drop_locks(self, frame: Frame) -> None:
        for index in sorted([*self.asked, *self.queued_, *self.ready]):
            frame.commands.append(Release(self.scope.id, index))
            self.undone.add(index)
        self.asked, self.queued_ = Ranges(), Ranges()
        self.ready.clear()

    def _conclude(self, frame: Frame) -> None:
        """See what has become of it all: what was left aside by a restart counts too."""
        bad = self.failures + len(self.aside)
        if self.why or self.limits.breached(bad):
            self.rank = 3
            frame.state(self.scope).problem = self._problem(frame, bad)
        elif bad:
            self.rank = max(self.rank, RANK[State.WARNING])
        self.undone = self.undone | self.rest
        self.rest = Ranges()
        self.finish(frame)

    def _problem(self, frame: Frame, bad: int) -> Problem:
        first = frame.states[self.scope.id].problem
        if self.why == "rejected":
            return Problem("rejected", f"`{self.scope.id}`: the next batch was rejected", self.scope.id)
        if first is not None and self.scope.kind == "foreach" and self.limits.max_failures == 0:
            return first
        allowed = "none in the canary" if self.canary and self.canary_failures else self.limits.max_failures
        message = f"{bad} of {self.limits.total} in `{self.scope.id}` failed, allowed: {allowed}"
        if first is None:
            return Problem("breach", message, self.scope.id)
        return Problem("breach", f"{message}; first: {first.message}", first.task, first.target)

    # --- stopping

    def stop(self, frame: Frame, reason: str) -> None:
        if self.over:
            return
        self.stopping = True
        self.touch(frame)
        self._drop_locks(frame)
        if self.waiting:
            self.waiting = False
            frame.commands.append(ClearTimer(self.scope.id, "wait"))
        self._answered(frame)
        for index in self.open_:
            frame.commands.append(StopFrame(self.scope.id, index, "timeout" if reason == "timeout" else "cancel"))
        self.go(frame)

    def timer(self, frame: Frame, name: TimerName) -> None:
        if name == "wait" and self.waiting:
            self.waiting = False
            self.touch(frame)
            self._passed(frame)

    # --- locks

    def granted(self, frame: Frame, index: int) -> None:
        """An iteration has its lock."""
        if self.asked.discard(index) or self.queued_.discard(index):
            self.touch(frame)
            self.ready.append(index)
            self.go(frame)

    def queued(self, frame: Frame, index: int) -> None:
        """Somebody else has the lock: the next one may ask for its own."""
        if self.asked.discard(index):
            self.touch(frame)
            self.queued_.add(index)
            self.go(frame)

    def refused(self, frame: Frame, index: int, problem: Problem) -> None:
        """An iteration cannot have its lock and has failed."""
        if self.asked.discard(index) or self.queued_.discard(index):
            self.touch(frame)
            self._count(frame, index, FAILED, problem)
            self.go(frame)

    # --- persons

    def _ask(self, frame: Frame, what: str) -> None:
        self.asking = what
        frame.commands.append(AskPerson(self.scope.id, "breach" if what == "breach" else "approve"))
        hold(frame, self.scope, 1)

    def _answered(self, frame: Frame) -> None:
        if self.asking:
            self.asking = ""
            hold(frame, self.scope, -1)

    def resumed(self, frame: Frame, *, reject: bool) -> None:
        if not self.asking:
            return
        asked = self.asking
        self.touch(frame)
        self._answered(frame)
        if asked == "breach":
            if reject:
                self._halt(frame, "breach")
            else:
                self.accepted = self.failures
            self.go(frame)
        elif reject:
            self.why = "rejected"
            self.stop(frame, "cancel")
        else:
            self._passed(frame)

    def change(self, frame: Frame, event: LimitsChanged) -> None:
        """Change limits under way; a breach that is none any more is over."""
        if self.over:
            return
        self.touch(frame)
        if event.max_parallel is not None:
            self.limits.max_parallel = max(1, event.max_parallel)
        if event.max_failures is not None:
            self.limits.max_failures = max(0, event.max_failures)
        if self.asking == "breach" and not self._breached():
            self._answered(frame)
        self._check(frame)
        self.go(frame)

    def waits(self, frame: Frame, index: int, *, waiting: bool) -> None:
        if waiting == (index in self.held) or (waiting and index not in self.open_):
            return
        self.touch(frame)
        if waiting:
            self.held.add(index)
        else:
            self.held.discard(index)
        hold(frame, self.scope, 1 if waiting else -1)

    def waiting_persons(self) -> int:
        return len(self.held) + bool(self.asking)

    # --- rows

    def save(self, frame: Frame) -> None:
        data = frame.states[self.scope.id].data
        for name in _SAVED:
            data.pop(name, None)
        data.update({name: value for name, value in self._saved().items() if value})

    def _saved(self) -> dict[str, Any]:
        return {
            "rest": self.rest.pairs(),
            "asked": self.asked.pairs(),
            "queued": self.queued_.pairs(),
            "open": self.open_.pairs(),
            "left": self.undone.pairs(),
            "ready": list(self.ready),
            "held": sorted(self.held),
            "batch": [self.batch, int(self.canary)],
            "failures": [self.failures, self.canary_failures, self.accepted] if self.failures else None,
            "limits": [self.limits.max_parallel, self.limits.max_failures],
            "aside": self.aside.pairs(),
            "rank": self.rank,
            "waiting": self.waiting,
            "asking": self.asking,
            "why": self.why,
            "stopping": self.stopping,
        }

    def load(self, frame: Frame) -> None:
        """Take over what was saved."""
        data = frame.states[self.scope.id].data
        self.limits = limits_of(self.scope, data["n"], data.get("values", {}))
        self.limits.max_parallel, self.limits.max_failures = data["limits"]
        self.rest, self.asked = Ranges(data.get("rest", ())), Ranges(data.get("asked", ()))
        self.queued_, self.open_ = Ranges(data.get("queued", ())), Ranges(data.get("open", ()))
        self.undone = Ranges(data.get("left", ()))
        self.ready = deque(data.get("ready", ()))
        self.held = set(data.get("held", ()))
        self.batch, canary = data["batch"]
        self.canary = bool(canary)
        self.failures, self.canary_failures, self.accepted = data.get("failures", (0, 0, 0))
        self.aside = Ranges(data.get("aside", ()))
        self.rank = data.get("rank", 0)
        self.waiting = data.get("waiting", False)
        self.asking, self.why = data.get("asking", ""), data.get("why", "")
        self.stopping = data.get("stopping", False)

    def outstanding(self, *, restart: bool, stopped: bool) -> list[Command]:
        found: list[Command] = [Open(self.scope.id, index, restart) for index in self.open_]
        found += [self._acquire(index) for index in [*self.asked, *self.queued_]]
        if stopped:
            found += [StopFrame(self.scope.id, index) for index in self.open_]
        elif self.stopping:
            found += [WithdrawFrame(self.scope.id, index) for index in self.open_]
        if self.asking:
            found.append(AskPerson(self.scope.id, "breach" if self.asking == "breach" else "approve"))
        return found


def _go_on(frame: Frame, _: Node, live: Rollout) -> None:
    live.go(frame)


_SAVED = (
    "rest", "asked", "queued", "open", "left", "ready", "held", "batch", "failures", "limits", "aside", "rank",
    "waiting", "asking", "why", "stopping",
)  # fmt: skip
