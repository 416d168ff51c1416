"""One frame of an execution: what has happened in it, and what each event makes come next."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from rota.executions.interpreter import attempts, controls, entry, rebuild, scopes, stopping
from rota.executions.interpreter.codec import node_state_from_json, node_state_to_json
from rota.executions.interpreter.live import Live, Many
from rota.executions.interpreter.program import ROOT, FrameProgram, Node
from rota.executions.models import (
    LANGUAGE_VERSION,
    Cancel,
    ChildWaiting,
    Command,
    Ended,
    Evaluated,
    Event,
    FrameEnded,
    LimitsChanged,
    LockGranted,
    LockQueued,
    LockRefused,
    NodeState,
    Restart,
    Resumed,
    Start,
    State,
    SubflowEnded,
    TimerFired,
)

Work: TypeAlias = tuple[Callable[["Frame", Node, Any], None], Node, Any]
"""A transition still to be made: the function, its node and its argument."""


class Frame:
    """The flow, or one iteration of a `foreach`, `fleet` or `repeat`: events in, commands out.

    Only `apply`, `started`, `take_changes`, `snapshot`, `load`, `resume`, `running`, `begun` and `ended` are for
    drivers; the rest is shared by the modules of the interpreter. `states` holds what rows hold. `lives` are the
    counters of the scopes under way, which can be counted again from `states`. `work` is a stack: what is pushed
    last is done first, so that the children of a node come before its later siblings, however deep.
    """

    __slots__ = (
        "begun",
        "changed",
        "commands",
        "holds",
        "lives",
        "nodes",
        "program",
        "root",
        "states",
        "unsaved",
        "work",
    )

    def __init__(self, program: FrameProgram) -> None:
        self.program = program
        self.nodes = program.nodes
        self.root = program.root
        self.states: dict[str, NodeState] = {}
        self.lives: dict[str, Live] = {}
        self.holds: dict[str, int] = {}
        self.changed: dict[str, NodeState] = {}
        self.unsaved: dict[str, Many] = {}
        self.commands: list[Command] = []
        self.work: list[Work] = []
        self.begun = False

    # --- for drivers

    @classmethod
    def load(cls, program: FrameProgram, source: dict[str, Any] | Iterable[NodeState]) -> Frame:
        """Rebuild a frame from its `snapshot()`, or from the last stored state of each of its nodes."""
        frame = cls(program)
        if isinstance(source, dict):
            if source["language"] != LANGUAGE_VERSION:
                raise ValueError(f"the snapshot is of version {source['language']} of the language")
            source = map(node_state_from_json, source["nodes"])
        frame.states = {state.node: state for state in source if state.node in program.nodes}
        rebuild.count_again(frame)
        return frame

    def apply(self, event: Event) -> list[Command]:
        """Take in one event and return what is to be done now. Events that come too late change nothing."""
        commands = self.commands = []
        HANDLERS[type(event)](self, event)
        work = self.work
        while work:
            do, node, argument = work.pop()
            do(self, node, argument)
        return commands

    def started(self, node: str) -> bool:
        """Note, right before the attempt is handed to a worker, that it runs; False if it is no longer wanted."""
        state = self.states.get(node)
        if state is None or state.state is not QUEUED or state.phase:
            return False
        state.state = RUNNING
        self.begun = True
        self.changed[node] = state
        return True

    def take_changes(self) -> list[NodeState]:
        """Return the nodes that changed since the last call, to be stored before anything else is applied."""
        if self.unsaved:
            self.save()
        changes = list(self.changed.values())
        self.changed.clear()
        return changes

    def snapshot(self) -> dict[str, Any]:
        """Return all that is needed to go on as small JSON."""
        self.save()
        return {"language": LANGUAGE_VERSION, "nodes": [node_state_to_json(state) for state in self.states.values()]}

    def resume(self) -> list[Command]:
        """Return the commands whose answers are outstanding, after `load`; each may have been carried out before."""
        return rebuild.outstanding(self)

    def running(self) -> list[tuple[str, int]]:
        """Return node and attempt of each task that a worker had: those that no longer run have `Ended(lost)`."""
        return [
            (state.node, state.attempt)
            for state in self.states.values()
            if state.state in (RUNNING, CANCELLING) and self.nodes[state.node].kind == "task"
        ]

    @property
    def ended(self) -> bool:
        """Whether the frame has ended, and nothing but a restart goes on with it."""
        root = self.states.get(ROOT)
        return root is not None and root.state.ended

    # --- for the modules of the interpreter

    def state(self, node: Node) -> NodeState:
        """Return the state of `node`, about to change."""
        state = self.states.get(node.id)
        if state is None:
            state = self.states[node.id] = NodeState(node.id)
        self.changed[node.id] = state
        return state

    def do(self, transition: Callable[[Frame, Node, Any], None], node: Node, argument: Any = None) -> None:
        """Make `transition` next, before everything that waits already."""
        self.work.append((transition, node, argument))

    def save(self) -> None:
        """Write the counters of iterations into the data of their nodes."""
        for live in self.unsaved.values():
            live.save(self)
        self.unsaved.clear()

    @property
    def round(self) -> int:
        """The number of times that the frame has been started."""
        return self.states[ROOT].round

    begin = staticmethod(entry.begin)
    retry = staticmethod(entry.retry)
    block_done = staticmethod(scopes.block_done)
    cancel = staticmethod(stopping.cancel)
    withdraw = staticmethod(stopping.withdraw)


QUEUED, RUNNING, CANCELLING = State.QUEUED, State.RUNNING, State.CANCELLING

HANDLERS: dict[type[Any], Callable[[Frame, Any], None]] = {
    Start: scopes.on_start,
    Restart: scopes.on_restart,
    Evaluated: entry.on_evaluated,
    Ended: attempts.on_ended,
    TimerFired: controls.on_timer,
    LockGranted: entry.on_lock_granted,
    LockQueued: entry.on_lock_queued,
    LockRefused: entry.on_lock_refused,
    FrameEnded: scopes.on_frame_ended,
    SubflowEnded: controls.on_subflow_ended,
    ChildWaiting: controls.on_child_waiting,
    Resumed: controls.on_resumed,
    Cancel: stopping.on_cancel,
    LimitsChanged: scopes.on_limits_changed,
}
