"""A simulated world around frames: workers, timers, locks, persons and subflows that do as a script says."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rota.executions.interpreter.codec import (
    from_json,
    node_state_from_json,
    node_state_to_json,
    to_json,
)
from rota.executions.interpreter.frame import Frame
from rota.executions.interpreter.program import Node, Program, compile_flow
from rota.executions.models import (
    Acquire,
    AskPerson,
    Cancel,
    ChildWaiting,
    ClearTimer,
    Ended,
    Evaluate,
    Evaluated,
    Event,
    Finish,
    FrameEnded,
    LimitsChanged,
    LockGranted,
    LockQueued,
    LockRefused,
    Open,
    PauseTimer,
    Problem,
    Release,
    Restart,
    Resumed,
    ResumeTimer,
    Run,
    SetTimer,
    Start,
    StartSubflow,
    State,
    Stop,
    StopFrame,
    StopSubflow,
    SubflowEnded,
    TimerFired,
    Waiting,
    Withdraw,
    WithdrawFrame,
)
from rota.flows.models import Fleet, Flow, Foreach

Outcome = str | Problem
"""How an attempt ends: a state, `rerun` (lost, but idempotent), or the problem it fails with."""
Key = tuple[Any, ...]


@dataclass
class Script:
    """What the world does; paths are `backup[3]/dump`, a task id alone stands for it in every frame."""

    outcomes: dict[str, Outcome | list[Outcome]] = field(default_factory=dict)
    takes: dict[str, float] = field(default_factory=dict)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    broken: dict[str, Problem] = field(default_factory=dict)
    persons: dict[str, tuple[float, bool] | None] = field(default_factory=dict)
    locked: dict[str, float] = field(default_factory=dict)
    refused: dict[str, Problem] = field(default_factory=dict)
    stubborn: set[str] = field(default_factory=set)
    workers: int = 1_000_000


@dataclass
class Happening:
    due: float
    number: int
    key: Key
    do: Callable[[], None]


class World:
    """Runs one execution; `pick` chooses what happens next among all that may, default by the clock."""

    def __init__(
        self,
        flow: Flow | dict[str, Any],
        script: Script | None = None,
        *,
        pick: Callable[[int], int] | None = None,
        rebuild: bool = False,
    ) -> None:
        self.flow = flow if isinstance(flow, Flow) else make_flow(flow)
        self.program: Program = compile_flow(self.flow)
        self.script = script or Script()
        self.pick = pick
        self.rebuild = rebuild
        self.now = 0.0
        self.number = 0
        self.frames: dict[str, Frame] = {}
        self.names: dict[str, str] = {"": ""}
        self.parents: dict[str, tuple[str, str, int]] = {}
        self.rows: dict[str, dict[str, str]] = {}
        self.pending: list[Happening] = []
        self.queue: list[tuple[str, str, int, bool]] = []
        self.busy: set[tuple[str, str]] = set()
        self.timers: dict[Key, float] = {}
        self.locks: dict[str, deque[Key]] = {}
        self.wants: dict[Key, str] = {}
        self.starts: list[str] = []
        self.asked: list[str] = []
        self.log: list[str] = []
        self.finish: Finish | None = None
        self.ended_at = -1.0
        self.watch: Callable[[str, Any], None] = lambda *_: None

    # --- what tests look at

    @property
    def state(self) -> State:
        assert self.finish is not None, "the execution has not ended"
        return self.finish.state

    @property
    def problem(self) -> str:
        assert self.finish is not None
        return self.finish.problem.type if self.finish.problem else ""

    def states(self) -> dict[str, str]:
        """The state of each node that has one, by path; `/` at the end is a frame as a whole."""
        return {
            join(path, state.node): str(state.state)
            for path, frame in self.frames.items()
            for state in frame.states.values()
            if path or state.node
        }

    def ran(self) -> str:
        """The attempts in the order in which they were started, without `#1`."""
        return " ".join(start.removesuffix("#1") for start in self.starts)

    def node(self, path: str) -> tuple[Frame, Node]:
        frame, _, node = path.rpartition("/")
        return self.frames[frame], self.frames[frame].nodes[node]

    # --- running

    def run(self, until: float = float("inf")) -> World:
        """Start the execution and let everything happen that may."""
        self.feed("", Start())
        return self.go_on(until)

    def go_on(self, until: float = float("inf")) -> World:
        for _ in range(200_000):
            if not any(one.due <= self.now for one in self.pending):
                self.hand_out()
            if not self.pending:
                return self
            at = self.pick(len(self.pending)) if self.pick else self._first()
            happening = self.pending[at]
            if happening.due > until:
                self.now = until
                return self
            del self.pending[at]
            self.now = max(self.now, happening.due)
            happening.do()
        raise AssertionError("it does not end")

    def restart(self, event: Restart | None = None) -> World:
        self.finish = None
        self.starts.clear()
        self.feed("", event or Restart())
        return self.go_on()

    def cancel(self) -> World:
        self.feed("", Cancel())
        return self

    def crash(self) -> None:
        """Lose all that is in memory alone; go on from the rows: what ran is lost, what was asked is asked again."""
        forgotten = ("run", "queued", "eval", "lock", "sub")
        self.pending = [one for one in self.pending if not one.key or one.key[0] not in forgotten]
        self.queue.clear()
        self.busy.clear()
        for path, frame in self.frames.items():
            states = [node_state_from_json(json.loads(row)) for row in self.rows[path].values()]
            self.frames[path] = Frame.load(frame.program, states)
        for path, frame in self.frames.items():
            for node, attempt in frame.running():
                self.send(path, Ended(node, attempt, State.LOST, rerun=attempt % 2 == 0), key=("run", path, node))
            for command in frame.resume():
                if isinstance(command, Acquire) and ("lock", path, command.node, command.index) in self.wants:
                    self._answer(path, command)
                elif isinstance(command, (Run, Withdraw, Evaluate, Acquire, StartSubflow, StopSubflow)):
                    self.carry_out(path, command)

    def change_limits(self) -> None:
        """Have more and fewer places and failures in whatever runs."""
        for path, frame in list(self.frames.items()):
            for at, node in enumerate(list(frame.lives)):
                self.send(path, LimitsChanged(node, max_parallel=3 - at % 3, max_failures=at % 4))

    def _first(self) -> int:
        return min(range(len(self.pending)), key=lambda at: (self.pending[at].due, self.pending[at].number))

    def later(self, delay: float, key: Key, do: Callable[[], None]) -> None:
        self.number += 1
        self.pending.append(Happening(self.now + delay, self.number, key, do))

    def forget(self, key: Key) -> bool:
        before = len(self.pending)
        self.pending = [one for one in self.pending if one.key != key]
        return len(self.pending) < before

    def send(self, path: str, event: Event, *, delay: float = 0.0, key: Key = ()) -> None:
        self.later(delay, key, lambda: self.feed(path, event))

    def feed(self, path: str, event: Event) -> None:
        """Apply an event, store what changed, then carry out the commands."""
        frame = self.frames.get(path)
        if frame is None and isinstance(event, Cancel):
            return
        if frame is None:
            frame = self.frames[path] = Frame(self.program.frames[self.names[path]])
        event = from_json(json.loads(json.dumps(to_json(event))))
        self.watch(path, event)
        others = self._rebuilt(path, frame) if self.rebuild else []
        commands = frame.apply(event)
        for other in others:
            assert plain(other.apply(event)) == plain(commands), event
            assert image(other) == image(frame), differences(other, frame)
        self.store(path, frame)
        for command in commands:
            self.watch(path, command)
            self.carry_out(path, from_json(json.loads(json.dumps(to_json(command)))))

    def store(self, path: str, frame: Frame) -> None:
        rows = self.rows.setdefault(path, {})
        for state in frame.take_changes():
            rows[state.node] = json.dumps(node_state_to_json(state))

    def _rebuilt(self, path: str, frame: Frame) -> list[Frame]:
        program = frame.program
        snapshot = json.loads(json.dumps(frame.snapshot()))
        rows = [node_state_from_json(json.loads(row)) for row in self.rows.get(path, {}).values()]
        others = [Frame.load(program, snapshot), Frame.load(program, rows)]
        for other in others:
            assert image(other) == image(frame), differences(other, frame)
        return others

    # --- commands

    def carry_out(self, path: str, command: Any) -> None:
        getattr(self, f"_{type(command).__name__.lower()}")(path, command)

    def hand_out(self) -> None:
        """Give what is queued to free workers, urgent tasks first."""
        if self.pick is not None:
            return
        while self.queue and len(self.busy) < self.script.workers:
            at = next((at for at, one in enumerate(self.queue) if one[3]), 0)
            self.start(*self.queue.pop(at)[:3])

    def start(self, path: str, node: str, attempt: int) -> None:
        frame = self.frames[path]
        assert frame.started(node)
        self.store(path, frame)
        self.busy.add((path, node))
        full = join(path, node)
        self.starts.append(f"{full}#{attempt}")
        state, problem, rerun = self.outcome(full, node, attempt)
        event = Ended(node, attempt, state, problem, rerun)
        takes = self.script.takes.get(full, self.script.takes.get(node, 1.0))
        self.later(takes, ("run", path, node), lambda: self.end(path, event))

    def end(self, path: str, event: Ended) -> None:
        self.busy.discard((path, event.node))
        self.feed(path, event)

    def outcome(self, full: str, node: str, attempt: int) -> tuple[State, Problem | None, bool]:
        wanted = self.script.outcomes.get(full, self.script.outcomes.get(node, "success"))
        if isinstance(wanted, list):
            wanted = wanted[min(attempt, len(wanted)) - 1]
        if isinstance(wanted, Problem):
            return State.FAILED, wanted, False
        if wanted == "rerun":
            return State.LOST, None, True
        return State(wanted), Problem("Boom", f"{full} {wanted}") if wanted == "failed" else None, False

    def _run(self, path: str, command: Run) -> None:
        one = (path, command.node, command.attempt, command.urgent)
        if self.pick is None:
            self.queue.append(one)
        else:
            self.later(0, ("queued", path, command.node), lambda: self.start(*one[:3]))

    def _withdraw(self, path: str, command: Withdraw) -> None:
        attempt = self.frames[path].states[command.node].attempt
        self.queue = [one for one in self.queue if one[:2] != (path, command.node)]
        self.forget(("queued", path, command.node))
        self.send(path, Ended(command.node, attempt, State.NOT_STARTED), key=("queued", path, command.node))

    def _stop(self, path: str, command: Stop) -> None:
        full = join(path, command.node)
        if {full, command.node} & self.script.stubborn or not self.forget(("run", path, command.node)):
            return
        attempt = self.frames[path].states[command.node].attempt
        event = Ended(command.node, attempt, State.CANCELLED)
        self.later(0, ("run", path, command.node), lambda: self.end(path, event))

    def _evaluate(self, path: str, command: Evaluate) -> None:
        node = self.frames[path].nodes[command.node]
        expressions = node.expressions(command.stage)
        assert expressions, "nothing to evaluate"
        full, key = join(path, command.node), ("eval", path, command.node)
        answer = self.script.answers.get(full, self.script.answers.get(command.node, {}))
        problem = self.script.broken.get(full, self.script.broken.get(command.node))
        if problem is not None:
            self.send(path, Evaluated(command.node, command.stage, problem=problem), key=key)
            return
        values = {name: answer.get(name, raw) for name, raw in expressions.items()}
        for name, default in (("when", True), ("condition", True), ("until", True)):
            if name in expressions:
                values[name] = answer.get(name, default)
        if command.stage == "items":
            values = {name: value for name, value in values.items() if name not in ("items", "select", "key", "lock")}
            values["count"] = answer.get("count", len(literal_items(node)))
        if isinstance(values.get("until"), list):
            values["until"] = values["until"][self.parents[path][2]]
        self.send(path, Evaluated(command.node, command.stage, values), key=key)

    # --- timers

    def _settimer(self, path: str, command: SetTimer) -> None:
        key = ("timer", path, command.node, command.name)
        self.forget(key)
        self.timers.pop(key, None)
        self.send(path, TimerFired(command.node, command.name), delay=command.seconds, key=key)

    def _cleartimer(self, path: str, command: ClearTimer) -> None:
        key = ("timer", path, command.node, command.name)
        self.forget(key)
        self.timers.pop(key, None)

    def _pausetimer(self, path: str, command: PauseTimer) -> None:
        key = ("timer", path, command.node, command.name)
        due = next((one.due for one in self.pending if one.key == key), None)
        assert due is not None or self.pick is not None, "a timer is paused that is not set"
        if due is not None:
            self.forget(key)
            self.timers[key] = due - self.now

    def _resumetimer(self, path: str, command: ResumeTimer) -> None:
        key = ("timer", path, command.node, command.name)
        if key in self.timers:
            rest = self.timers.pop(key)
            self.send(path, TimerFired(command.node, command.name), delay=rest, key=key)

    # --- locks

    def _acquire(self, path: str, command: Acquire) -> None:
        key = command.key or f"{path}:{command.node}[{command.index}]"
        holder = ("lock", path, command.node, command.index)
        assert holder not in self.wants, "a lock is asked for twice"
        if key in self.script.refused:
            self.send(path, LockRefused(command.node, self.script.refused[key], command.index), key=holder)
            return
        line = self.locks.setdefault(key, deque())
        self.wants[holder] = key
        if not line and self.now < self.script.locked.get(key, 0):
            line.append(("somebody else",))
            self.later(self.script.locked[key] - self.now, (), lambda: self._free(key))
        if line and line[0] in self._around(path, command.node):
            line.insert(1, holder)
        else:
            line.append(holder)
        self._answer(path, command)

    def _answer(self, path: str, command: Acquire) -> None:
        holder = ("lock", path, command.node, command.index)
        line = self.locks[self.wants[holder]]
        if line[0] == holder or line[0] in self._around(path, command.node):
            self.send(path, LockGranted(command.node, command.index), key=holder)
        elif command.index is not None:
            self.send(path, LockQueued(command.node, command.index), key=holder)

    def _around(self, path: str, node: str) -> set[Key]:
        """Who else holds a lock on behalf of `node`: the scopes around it."""
        found: set[Key] = set()
        one: Node | None = self.frames[path].nodes[node].parent
        while one is not None or path:
            if one is None:
                path, name, index = self.parents[path]
                one = self.frames[path].nodes[name]
                found.add(("lock", path, name, index))
            found.add(("lock", path, one.id, None))
            one = one.parent
        return found

    def _release(self, path: str, command: Release) -> None:
        holder = ("lock", path, command.node, command.index)
        self.forget(holder)
        key = self.wants.pop(holder, None)
        if key is None:
            return
        if self.locks[key][0] == holder:
            self._free(key)
        else:
            self.locks[key].remove(holder)

    def _free(self, key: str) -> None:
        line = self.locks[key]
        line.popleft()
        if line:
            _, path, node, index = line[0]
            self.send(path, LockGranted(node, index), key=line[0])

    # --- iterations

    def _open(self, path: str, command: Open) -> None:
        child = join(path, f"{command.node}[{command.index}]")
        assert child not in self.frames or self.frames[child].ended, f"{child} is open already"
        known = child in self.frames
        self.names[child] = command.node
        self.parents[child] = (path, command.node, command.index)
        self.later(0, ("open", child), lambda: self.feed(child, Restart() if known and command.restart else Start()))

    def _stopframe(self, path: str, command: StopFrame) -> None:
        self._frame(path, command, Cancel(command.reason))

    def _withdrawframe(self, path: str, command: WithdrawFrame) -> None:
        self._frame(path, command, Cancel("withdraw"))

    def _frame(self, path: str, command: StopFrame | WithdrawFrame, event: Cancel) -> None:
        child = join(path, f"{command.node}[{command.index}]")
        if self.forget(("open", child)):
            self.send(path, FrameEnded(command.node, command.index, State.NOT_STARTED))
        else:
            self.send(child, event)

    def _finish(self, path: str, command: Finish) -> None:
        assert not any(one.key[1:2] == (path,) for one in self.pending if one.key and one.key[0] == "run")
        self.log.append(f"{path or 'flow'} {command.state}")
        if not path:
            assert self.finish is None
            self.finish = command
            self.ended_at = self.now
            return
        parent, node, index = self.parents[path]
        problem = command.problem
        event = FrameEnded(node, index, command.state, problem, command.until, command.exit)
        self.send(parent, event)

    def _waiting(self, path: str, command: Waiting) -> None:
        if path:
            parent, node, index = self.parents[path]
            self.send(parent, ChildWaiting(node, command.waiting, index))

    # --- persons and subflows

    def _askperson(self, path: str, command: AskPerson) -> None:
        full = join(path, command.node)
        self.asked.append(f"{full} {command.what}")
        wanted = self.script.persons.get(full, self.script.persons.get(command.node, (5.0, False)))
        if wanted is not None:
            self.send(path, Resumed(command.node, reject=wanted[1]), delay=wanted[0])

    def _startsubflow(self, path: str, command: StartSubflow) -> None:
        full = join(path, command.node)
        self.starts.append(f"{full}{'!' if command.restart else ''}")
        attempt = self.frames[path].states[command.node].attempt
        state, problem, _ = self.outcome(full, command.node, attempt)
        self.send(path, SubflowEnded(command.node, state, problem), delay=1, key=("sub", path, command.node))

    def _stopsubflow(self, path: str, command: StopSubflow) -> None:
        if self.forget(("sub", path, command.node)):
            self.send(path, SubflowEnded(command.node, State.CANCELLED), key=("sub", path, command.node))

    def held_locks(self) -> Counter[str]:
        return Counter(key for key, line in self.locks.items() if any(one[0] == "lock" for one in line))


def make_flow(data: dict[str, Any]) -> Flow:
    return Flow.model_validate({"id": "test", **data})


def literal_items(node: Node) -> list[Any]:
    step = node.step
    assert isinstance(step, (Foreach, Fleet))
    items = step.items if isinstance(step, Foreach) else step.targets
    return items if isinstance(items, list) else [0, 1, 2]


def join(path: str, node: str) -> str:
    return f"{path}/{node}" if path else node


def plain(commands: list[Any]) -> list[dict[str, Any]]:
    return [to_json(command) for command in commands]


def image(frame: Frame) -> Any:
    """All that two frames must have in common to go on the same way."""
    nodes = sorted(json.dumps(node, sort_keys=True) for node in frame.snapshot()["nodes"])
    resume = sorted(json.dumps(command, sort_keys=True) for command in plain(frame.resume()))
    holds = {name: count for name, count in frame.holds.items() if count}
    return nodes, resume, sorted(frame.running()), frame.begun, frame.ended, holds


def differences(one: Frame, other: Frame) -> list[tuple[Any, Any]]:
    return [(mine, theirs) for mine, theirs in zip(image(one), image(other), strict=True) if mine != theirs]
