"""Tasks on workers: an attempt after the other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rota.executions.interpreter.endings import end, end_unbegun, located, tries_of, try_again
from rota.executions.interpreter.phases import WITHDRAWN
from rota.executions.models import Ended, NodeState, Problem, Run, State

if TYPE_CHECKING:
    from rota.executions.interpreter.frame import Frame
    from rota.executions.interpreter.program import Node

QUEUED, RUNNING, CANCELLING, SUCCESS = State.QUEUED, State.RUNNING, State.CANCELLING, State.SUCCESS
FAILED, LOST, CANCELLED = State.FAILED, State.LOST, State.CANCELLED


def run(frame: Frame, node: Node) -> None:
    """Ask for the next attempt."""
    state = frame.states[node.id]
    state.attempt += 1
    state.round = frame.round
    state.state = QUEUED
    state.phase = ""
    frame.changed[node.id] = state
    frame.commands.append(Run(node.id, state.attempt, node.urgent))


def on_ended(frame: Frame, event: Ended) -> None:
    """Take in the end of an attempt."""
    state = frame.states.get(event.node)
    if state is None or state.attempt != event.attempt:
        return
    now = state.state
    if (now is not RUNNING and now is not QUEUED and now is not CANCELLING) or state.phase not in ("", WITHDRAWN):
        return
    node = frame.nodes[event.node]
    outcome = event.state
    if outcome is State.NOT_STARTED:
        _taken_back(frame, node, state)
        return
    frame.begun = True
    if outcome is FAILED or outcome is LOST:
        failed(frame, node, outcome, event.problem, rerun=event.rerun)
    else:
        end(frame, node, outcome, event.problem)


def _taken_back(frame: Frame, node: Node, state: NodeState) -> None:
    if state.phase == WITHDRAWN and "reruns" not in state.data:
        end_unbegun(frame, node)
    else:
        end(frame, node, CANCELLED, state.problem)


def failed(frame: Frame, node: Node, outcome: State, problem: Problem | None, *, rerun: bool = False) -> None:
    """Try again what failed or was lost, or end it."""
    state = frame.states[node.id]
    problem = located(node, problem, outcome)
    if state.state is CANCELLING:
        end(frame, node, outcome, problem)
    elif outcome is LOST:
        _lost(frame, node, state, problem, rerun=rerun)
    elif not _again(frame, node, state, problem):
        end(frame, node, FAILED, problem)


def _lost(frame: Frame, node: Node, state: NodeState, problem: Problem, *, rerun: bool) -> None:
    """A task lost twice has failed, whatever its type: it may be what ends the server."""
    times = state.data.get("lost", 0) + 1
    state.data["lost"] = times
    if times > 1:
        # Nor does a new round of a scope around it try once more.
        end(frame, node, FAILED, replace(problem, retryable=False))
    elif node.on_lost == "retry" or (node.on_lost is None and rerun):
        state.data["reruns"] = state.data.get("reruns", 0) + 1
        run(frame, node)
    elif node.on_lost == "fail" or not _again(frame, node, state, problem, lost=True):
        end(frame, node, LOST, problem)


def _again(frame: Frame, node: Node, state: NodeState, problem: Problem, *, lost: bool = False) -> bool:
    state.data["ran"] = True
    return try_again(frame, node, tries_of(state), problem, lost=lost)
