"""Children one after the other: `sequential`, the branch of an `if`, `errors`, `finally`, a frame's own tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rota.executions.interpreter.endings import KEPT
from rota.executions.interpreter.live import Live, mark_not_started
from rota.executions.models import Problem, State

if TYPE_CHECKING:
    from rota.executions.interpreter.frame import Frame
    from rota.executions.interpreter.program import Node

SUCCESS, CREATED = State.SUCCESS, State.CREATED


class Sequence(Live):
    """Starts each child when the one before has ended well."""

    __slots__ = ("children", "index", "size")

    def __init__(self, scope: Node, children: tuple[Node, ...]) -> None:
        super().__init__(scope)
        self.children = children
        self.size = len(children)
        self.index = 0

    def go(self, frame: Frame) -> None:
        """Start the child at `index`, or end the list."""
        if self.index < self.size:
            frame.work.append((frame.begin, self.children[self.index], None))
        else:
            frame.work.append((frame.block_done, self.scope, None))

    def child_ended(self, frame: Frame, child: Node, outcome: State, problem: Problem | None) -> None:
        self.index += 1
        if outcome is not SUCCESS:
            self.note(frame, child, outcome, problem)
            if not outcome.well:
                self.stopping = True
        if not self.stopping:
            self.go(frame)
            return
        for later in self.children[self.index :]:
            mark_not_started(frame, later)
            self.left = True
        frame.work.append((frame.block_done, self.scope, None))

    def stop(self, frame: Frame, reason: str) -> None:
        self.stopping = True
        frame.work.append((frame.cancel, self.children[self.index], reason))

    def skip_ended(self, frame: Frame) -> None:
        """Count the children at the front that have ended, up to the first that has not."""
        while self.index < self.size:
            state = frame.states.get(self.children[self.index].id)
            if state is None or not state.state.ended:
                return
            self.recount(frame, self.children[self.index], state)
            self.index += 1


def put_back_from(frame: Frame, children: tuple[Node, ...]) -> None:
    """Put back the first child that did not fully succeed; what comes after it is as good as new."""
    found = False
    for child in children:
        if found:
            reset(frame, child)
        elif unfinished(frame, child):
            found = True
            put_back(frame, child)


def unfinished(frame: Frame, node: Node) -> bool:
    """Whether a restart runs `node` again: it did not end well, or left something undone."""
    state = frame.states.get(node.id)
    if state is None or not state.state.well:
        return True
    return state.state is State.WARNING and bool(state.data.get("left"))


def put_back(frame: Frame, node: Node) -> None:
    """Make `node` startable again, where it left off if it had begun."""
    state = frame.states.get(node.id)
    if state is None:
        return
    begun = state.state not in (CREATED, State.NOT_STARTED) or "on" in state.data
    kept = {name: state.data[name] for name in KEPT if name in state.data}
    reset(frame, node)
    if begun:
        state.data = {**kept, "on": True}


def reset(frame: Frame, node: Node) -> None:
    """Make `node` as good as new; the number of its attempts stays."""
    state = frame.states.get(node.id)
    if state is None or state.state is CREATED:
        return
    state.state = CREATED
    state.phase = ""
    state.problem = None
    state.data = {"lost": state.data["lost"]} if "lost" in state.data else {}
    frame.changed[node.id] = state
