"""A frame rebuilt from its node states: the counters of what is under way, and the answers outstanding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rota.executions.interpreter.endings import acquire, hold_silently
from rota.executions.interpreter.group import Group
from rota.executions.interpreter.live import Live, Many
from rota.executions.interpreter.loop import Loop
from rota.executions.interpreter.phases import (
    BODY,
    END,
    ENTER,
    ERRORS,
    EVAL,
    FINALLY,
    LOCK,
    PERSON,
    SUBFLOW,
    WITHDRAWN,
)
from rota.executions.interpreter.program import ROOT
from rota.executions.interpreter.rollout import Rollout
from rota.executions.interpreter.sequence import Sequence
from rota.executions.models import (
    AskPerson,
    Command,
    Evaluate,
    Finish,
    NodeState,
    Run,
    StartSubflow,
    State,
    StopSubflow,
    Withdraw,
)

if TYPE_CHECKING:
    from rota.executions.interpreter.frame import Frame
    from rota.executions.interpreter.program import Node


def count_again(frame: Frame) -> None:
    """Fill in all that `frame` keeps besides the states of its nodes."""
    for state in frame.states.values():
        node = frame.nodes[state.node]
        if node.scope and state.phase in (BODY, ERRORS, FINALLY):
            live = frame.lives[node.id] = _live(frame, node, state)
            if isinstance(live, Many):
                hold_silently(frame, node, live.waiting_persons())
        elif state.phase == PERSON or (state.phase == SUBFLOW and "held" in state.data):
            hold_silently(frame, node, 1)
    frame.begun = any(_has_begun(frame, state) for state in frame.states.values())


def _has_begun(frame: Frame, state: NodeState) -> bool:
    """Whether something of this node ran since the frame was started last."""
    if state.node == ROOT:
        return "begun" in state.data
    if ROOT not in frame.states:
        return False
    if frame.nodes[state.node].scope:
        return bool(state.data.get("run") == frame.round)
    if state.round != frame.round or state.state in (State.CREATED, State.NOT_STARTED):
        return False
    return state.state is not State.QUEUED or "ran" in state.data or "reruns" in state.data


def _live(frame: Frame, node: Node, state: NodeState) -> Live:
    if state.phase != BODY:
        rest = Sequence(node, node.errors if state.phase == ERRORS else node.finally_)
        rest.stopping = "late" in state.data or (state.phase == ERRORS and "cancel" in state.data)
        rest.skip_ended(frame)
        return rest
    if node.kind in ("foreach", "fleet", "repeat"):
        many = Loop(node) if node.kind == "repeat" else Rollout(node)
        many.load(frame)
        return many
    if node.kind == "parallel":
        group = Group(node, state.data.get("limit"))
        group.stopping = _stopped(state)
        group.count(frame)
        return group
    sequence = Sequence(node, node.blocks[state.data.get("block", "body")])
    sequence.stopping = _stopped(state)
    sequence.skip_ended(frame)
    return sequence


def _stopped(state: NodeState) -> bool:
    return "cancel" in state.data or "timeout" in state.data


def outstanding(frame: Frame) -> list[Command]:
    """Return the commands whose answers are still to come."""
    found: list[Command] = []
    for state in frame.states.values():
        found.extend(_of(frame, frame.nodes[state.node], state))
    return found


def _of(frame: Frame, node: Node, state: NodeState) -> Iterator[Command]:
    live = frame.lives.get(node.id)
    if node.parent is None and state.state.ended:
        yield Finish(state.state, state.problem, state.data.get("until"), "exit" in state.data)
    elif state.phase == ENTER:
        yield Evaluate(node.id, "enter")
    elif state.phase == LOCK:
        yield acquire(node, state)
    elif state.phase == EVAL:
        yield Evaluate(node.id, "items" if node.stages.items else "body")
    elif state.phase == END:
        well = State(state.data["outcome"]) in (State.SUCCESS, State.WARNING)
        yield Evaluate(node.id, "end", not well or "exit" in state.data)
    elif isinstance(live, Many) and state.phase == BODY:
        yield from live.outstanding(restart="on" in state.data, stopped=_stopped(state))
    elif state.phase == PERSON:
        yield AskPerson(node.id, "pause")
    elif state.phase == SUBFLOW:
        yield from _subflow(node, state)
    elif node.kind == "task" and state.state is State.QUEUED:
        yield Withdraw(node.id) if state.phase == WITHDRAWN else Run(node.id, state.attempt, node.urgent)


def _subflow(node: Node, state: NodeState) -> Iterator[Command]:
    yield StartSubflow(node.id, "resumed" in state.data)
    if state.state is State.CANCELLING or "timeout" in state.data:
        yield StopSubflow(node.id)
