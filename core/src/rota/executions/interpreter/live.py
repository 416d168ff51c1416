"""What is counted of a scope while it is under way; all of it can be counted again from the states of its nodes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from rota.executions.models import Command, FrameEnded, NodeState, Problem, State, TimerName

if TYPE_CHECKING:
    from rota.executions.interpreter.frame import Frame
    from rota.executions.interpreter.program import Node

RANK = {
    State.SUCCESS: 0,
    State.SKIPPED: 0,
    State.NOT_STARTED: 0,
    State.WARNING: 1,
    State.CANCELLED: 2,
    State.FAILED: 3,
    State.LOST: 3,
}
"""How bad it is for a scope that a child ended so."""
OUTCOME = (State.SUCCESS, State.WARNING, State.CANCELLED, State.FAILED)
"""What a scope becomes, by the worst rank of its children."""
SUCCESS, WARNING, NOT_STARTED = State.SUCCESS, State.WARNING, State.NOT_STARTED


class Live(ABC):
    """A list of children, or a row of iterations, under way.

    `rank` is the worst so far. `left` says that a restart would find something to do. `stopping`: nothing more starts.
    """

    __slots__ = ("left", "rank", "scope", "stopping")

    def __init__(self, scope: Node) -> None:
        self.scope = scope
        self.rank = 0
        self.left = False
        self.stopping = False

    @abstractmethod
    def child_ended(self, frame: Frame, child: Node, outcome: State, problem: Problem | None) -> None:
        """Take in that `child` has ended and go on."""

    @abstractmethod
    def stop(self, frame: Frame, reason: str) -> None:
        """Start nothing more and cancel what runs; `block_done` follows when nothing runs."""

    def note(self, frame: Frame, child: Node, outcome: State, problem: Problem | None) -> None:
        """Count how `child` ended; the first error becomes that of the scope."""
        rank = RANK[outcome]
        self.rank = max(self.rank, rank)
        if rank > 1 or outcome is NOT_STARTED:
            self.left = True
            if problem is not None and rank == 3:
                first_error(frame, self.scope, problem)
        elif outcome is WARNING and frame.states[child.id].data.get("left"):
            self.left = True

    def recount(self, frame: Frame, child: Node, state: NodeState) -> None:
        """Count a child that had ended before."""
        self.note(frame, child, state.state, state.problem)


class Many(Live):
    """Iterations in frames of their own; what is known of them is in the `data` of the node.

    `over`: the last one has ended, `block_done` follows.
    """

    __slots__ = ("over",)

    def __init__(self, scope: Node) -> None:
        super().__init__(scope)
        self.over = False

    def child_ended(self, frame: Frame, child: Node, outcome: State, problem: Problem | None) -> None:
        raise AssertionError("its children are in other frames")

    @abstractmethod
    def save(self, frame: Frame) -> None:
        """Write what is known into the node's data."""

    @abstractmethod
    def frame_ended(self, frame: Frame, event: FrameEnded) -> None:
        """Take in the end of an iteration and go on."""

    @abstractmethod
    def timer(self, frame: Frame, name: TimerName) -> None:
        """A timer of the node is due."""

    @abstractmethod
    def resumed(self, frame: Frame, *, reject: bool) -> None:
        """A person decided."""

    @abstractmethod
    def waits(self, frame: Frame, index: int, *, waiting: bool) -> None:
        """An iteration waits for a person, or no longer."""

    @abstractmethod
    def outstanding(self, *, restart: bool, stopped: bool) -> list[Command]:
        """Return the commands whose answers are still to come; `stopped`: the scope is being cancelled."""

    @abstractmethod
    def waiting_persons(self) -> int:
        """Return how many holds the node has placed on the timeouts around it."""

    def finish(self, frame: Frame) -> None:
        """End the list of iterations."""
        self.over = True
        self.touch(frame)
        frame.do(frame.block_done, self.scope)

    def touch(self, frame: Frame) -> None:
        """Note that the node has changed; its data is written when it is needed."""
        frame.unsaved[self.scope.id] = self
        frame.state(self.scope)


def first_error(frame: Frame, scope: Node, problem: Problem) -> None:
    """Keep `problem` as that of `scope` if it is the first."""
    state = frame.states[scope.id]
    if state.problem is None:
        state.problem = problem
        frame.changed[scope.id] = state


def mark_not_started(frame: Frame, child: Node) -> None:
    """Give a child that nothing will start any more its state."""
    frame.state(child).state = NOT_STARTED
