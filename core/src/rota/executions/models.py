"""What the interpreter and its driver say to each other, and what is kept of each node of a frame.

A **frame** is the flow itself, or one iteration of a `foreach`, `fleet` or `repeat`. Its **nodes** are the
tasks and scopes in it, each named by its task id; `""` is the frame as a whole. A frame in a frame has a
path such as `backup[db-17]`; a task run is `backup[db-17]/dump`, its third attempt `backup[db-17]/dump#3`.

The driver feeds events (`apply`), carries out the commands it gets back, and stores the `NodeState`s that
`take_changes()` gives before it dispatches anything. Durations in commands are seconds; the driver makes
absolute times of them, and it alone has a clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal, TypeAlias

LANGUAGE_VERSION = 1
"""The version of the language that new executions are pinned to."""


class State(StrEnum):
    """The states of executions and task runs."""

    CREATED = "created"
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    RETRYING = "retrying"
    CANCELLING = "cancelling"
    SUCCESS = "success"
    WARNING = "warning"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    LOST = "lost"
    NOT_STARTED = "not_started"

    @property
    def ended(self) -> bool:
        """Whether this state is terminal."""
        return self in ENDED

    @property
    def well(self) -> bool:
        """Whether what `needs` this may start."""
        return self in (State.SUCCESS, State.WARNING, State.SKIPPED)


ENDED = frozenset(
    {State.SUCCESS, State.WARNING, State.FAILED, State.CANCELLED, State.SKIPPED, State.LOST, State.NOT_STARTED}
)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something failed: small, masked, fit to be shown.

    `type` is the class name of the error, or `timeout`, `lost`, `breach`, `lock`, `shutdown`, `poison`, `template`,
    `expect`, `switch`, `repeat`, `fail`, `exit`, `rejected`, `cancel`.
    `task` is the id of the task run it came from; `target` the key of the iteration, if any.
    """

    type: str
    message: str
    task: str = ""
    target: str = ""
    attempt: int = 0
    retryable: bool = True


@dataclass(slots=True)
class NodeState:
    """What is kept of one node: one row of the store, and one entry of a snapshot.

    `phase` says how far a scope or a control task has come, `data` is small JSON of its own:
    counters, resolved settings, the ranges of iterations still to do. `attempt` counts tries of a task
    from 1, over retries and restarts; `round` counts rounds of a scope.
    """

    node: str
    state: State = State.CREATED
    attempt: int = 0
    round: int = 0
    phase: str = ""
    problem: Problem | None = None
    data: dict[str, Any] = field(default_factory=dict)


# --- events -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Start:
    """Begin the frame. Answers the creation of an execution, or the driver's own handling of `Open`."""


@dataclass(slots=True)
class Evaluated:
    """Answers `Evaluate`: the values by name, or the problem that prevented them.

    In stage `items`, `values` has `count` (iterations stored by the driver) beside the rollout's values.
    """

    node: str
    stage: Stage
    values: dict[str, Any] = field(default_factory=dict)
    problem: Problem | None = None


@dataclass(slots=True)
class Ended:
    """Answers `Run`: the attempt has ended, or (state `not_started`) was withdrawn before it began.

    `state` is success, warning, failed, cancelled, skipped, lost or not_started. For `lost`, `rerun`
    says that the task is idempotent.
    """

    node: str
    attempt: int
    state: State
    problem: Problem | None = None
    rerun: bool = False


@dataclass(slots=True)
class TimerFired:
    """A timer of `SetTimer` is due."""

    node: str
    name: TimerName


@dataclass(slots=True)
class LockGranted:
    """Answers `Acquire`; `index` as there."""

    node: str
    index: int | None = None


@dataclass(slots=True)
class LockQueued:
    """Answers `Acquire` with an `index`, at once, where somebody else holds the lock; `LockGranted` follows.

    It lets the next target ask: one that waits for its lock holds no place.
    """

    node: str
    index: int


@dataclass(slots=True)
class LockRefused:
    """Answers `Acquire`: it would close a circle of waiters, or the wait is over.

    With `index` the iteration fails without ever being opened; the driver stores its row as failed.
    """

    node: str
    problem: Problem
    index: int | None = None


@dataclass(slots=True)
class FrameEnded:
    """Answers `Open`: the iteration is over. `until` is what `repeat` asked for at its end.

    `state` is success, warning, failed, cancelled, lost, skipped, or not_started when it was withdrawn.
    `until` and `exit` are those of its `Finish`; `problem` is, with the path and the key of the iteration. `left`:
    it ended in a warning, and a restart would find something to do in it.
    """

    node: str
    index: int
    state: State
    problem: Problem | None = None
    until: bool | None = None
    exit: bool = False
    left: bool = False


@dataclass(slots=True)
class SubflowEnded:
    """Answers `StartSubflow`: how it ended; with `wait: false`, success as soon as it exists."""

    node: str
    state: State
    problem: Problem | None = None


@dataclass(slots=True)
class ChildWaiting:
    """An open iteration (`index`) or a subflow of `node` waits for a person, or no longer: see `Waiting`."""

    node: str
    waiting: bool
    index: int | None = None


@dataclass(slots=True)
class Resumed:
    """A person answered a `pause`, approved a batch, or decided about a breach (`reject`: to stop)."""

    node: str
    reject: bool = False


@dataclass(slots=True)
class Cancel:
    """End the frame: everything started is stopped, `finally` runs.

    `withdraw` (answers `WithdrawFrame`) ends it as not_started if no task has begun in it, and else does nothing.
    """

    reason: Literal["cancel", "timeout", "withdraw"] = "cancel"


@dataclass(slots=True)
class LimitsChanged:
    """Somebody changed a running fleet; None leaves a limit as it is. Counts of targets, not percentages."""

    node: str
    max_parallel: int | None = None
    max_failures: int | None = None


@dataclass(slots=True)
class Restart:
    """Go on with a frame that has ended, at what did not succeed.

    `todo` gives, by iteration node of this frame, the ranges of iterations (`[[first, last], …]`,
    both included, in order) that are to run again; a node not named there runs all that did not succeed,
    which the driver knows from its rows and always names. `everything` starts over, as `restart: all`.
    """

    todo: dict[str, list[list[int]]] = field(default_factory=dict)
    everything: bool = False


Event: TypeAlias = (
    Start
    | Evaluated
    | Ended
    | TimerFired
    | LockGranted
    | LockQueued
    | LockRefused
    | FrameEnded
    | SubflowEnded
    | ChildWaiting
    | Resumed
    | Cancel
    | LimitsChanged
    | Restart
)

# --- commands ---------------------------------------------------------------------------------------

Stage: TypeAlias = Literal["enter", "body", "items", "end"]
"""Which expressions of a node are wanted.

`enter`: what is asked before a lock is taken: `when`, and the key of the node's own `lock`, and templated
common keys (`timeout`, `retry`). `body`: what steers the node once it has its lock: `condition`, `value`,
`duration`, `message`, `concurrency`, `inputs` of a subflow, … `items`: the list of a `foreach` or `fleet`,
filtered, with keys and lock keys, frozen and stored by the driver, and the rollout's values.
`end`: what is read last: `collect` and `until` of an iteration's frame, `outputs` of the flow's.
"""
TimerName: TypeAlias = Literal["timeout", "retry", "finally", "sleep", "pause", "wait", "every", "duration"]


@dataclass(slots=True)
class Evaluate:
    """Render the expressions of `node` for `stage`; answered by exactly one `Evaluated`.

    With `lenient`, what cannot be resolved is null (the columns of an iteration that did not succeed).
    """

    node: str
    stage: Stage
    lenient: bool = False


@dataclass(slots=True)
class Run:
    """Run an attempt of a task on a worker, after `delay` none; answered by `Ended`.

    `urgent` tasks (`errors`, `finally`) go before others. The driver keeps the task's own `timeout`.
    """

    node: str
    attempt: int
    urgent: bool = False


@dataclass(slots=True)
class Withdraw:
    """Take back a `Run` that no worker has yet, which then has `Ended(not_started)`.

    Each `Run` has exactly one `Ended`, withdrawn or not.
    """

    node: str


@dataclass(slots=True)
class Stop:
    """Cancel the running attempt of a task, or a `Run` not yet begun; answered by `Ended`."""

    node: str
    reason: Literal["cancel", "timeout"] = "cancel"


@dataclass(slots=True)
class SetTimer:
    """Fire `TimerFired` once after `seconds`; `jitter` is the part of them that is random.

    Timers are rows: they survive a crash. A node has at most one of each name; setting it again moves it.
    """

    node: str
    name: TimerName
    seconds: float
    jitter: float = 0.0


@dataclass(slots=True)
class ClearTimer:
    """Forget a timer, set or not."""

    node: str
    name: TimerName


@dataclass(slots=True)
class PauseTimer:
    """Stop the clock of a timer: what it still has is kept. A person is waited for."""

    node: str
    name: TimerName


@dataclass(slots=True)
class ResumeTimer:
    """Let a stopped timer go on with what it had left."""

    node: str
    name: TimerName


@dataclass(slots=True)
class Acquire:
    """Ask for a lock; answered by `LockGranted` or `LockRefused`.

    With `index`, the lock is for that iteration of the node, and the driver knows its key from the
    frozen list; else `key` is given. `wait` is how long to wait, None for as long as it takes.
    """

    node: str
    key: str = ""
    wait: float | None = None
    index: int | None = None


@dataclass(slots=True)
class Release:
    """Free a lock that was asked for, granted or not."""

    node: str
    index: int | None = None


@dataclass(slots=True)
class Open:
    """Start the frame of an iteration; answered by `FrameEnded`. On a restart the frame goes on."""

    node: str
    index: int
    restart: bool = False


@dataclass(slots=True)
class StopFrame:
    """Cancel an open iteration; answered by `FrameEnded`."""

    node: str
    index: int
    reason: Literal["cancel", "timeout"] = "cancel"


@dataclass(slots=True)
class WithdrawFrame:
    """Take back an open iteration in which no task has begun: the driver feeds it `Cancel(withdraw)`.

    A frame that has begun goes on. The iteration has its one `FrameEnded` either way.
    """

    node: str
    index: int


@dataclass(slots=True)
class StartSubflow:
    """Create the execution of a subflow from the values of stage `body`; answered by `SubflowEnded`."""

    node: str
    restart: bool = False


@dataclass(slots=True)
class StopSubflow:
    """Cancel a subflow that runs; answered by `SubflowEnded`."""

    node: str


@dataclass(slots=True)
class AskPerson:
    """Show that somebody must decide; answered by `Resumed`. `what` is `pause`, `approve` or `breach`."""

    node: str
    what: Literal["pause", "approve", "breach"]


@dataclass(slots=True)
class Waiting:
    """The frame waits for a person now, or no longer: the driver tells its parent frame by `ChildWaiting`."""

    waiting: bool


@dataclass(slots=True)
class Finish:
    """The frame has ended. `state` and `problem` are what its parent, or the execution, becomes.

    `until` is what `repeat` asked for. `exit`: an `exit` in it ends the whole execution, in this state;
    `problem` then holds its message.
    """

    state: State
    problem: Problem | None = None
    until: bool | None = None
    exit: bool = False


Command: TypeAlias = (
    Evaluate
    | Run
    | Withdraw
    | Stop
    | SetTimer
    | ClearTimer
    | PauseTimer
    | ResumeTimer
    | Acquire
    | Release
    | Open
    | StopFrame
    | WithdrawFrame
    | StartSubflow
    | StopSubflow
    | AskPerson
    | Waiting
    | Finish
)
