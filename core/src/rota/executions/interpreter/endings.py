"""How a node ends, and how one that failed is tried again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rota.executions.interpreter.phases import ENTER, LOCK, RETRY, setting
from rota.executions.interpreter.values import RetryPlan, plan
from rota.executions.models import (
    Acquire,
    Evaluate,
    NodeState,
    PauseTimer,
    Problem,
    Release,
    ResumeTimer,
    SetTimer,
    State,
    Waiting,
)
from rota.flows.models import Flow, Step

if TYPE_CHECKING:
    from rota.executions.interpreter.frame import Frame
    from rota.executions.interpreter.program import Node

KEPT = ("on", "lost", "left", "block", "n", "values", "index", "todo", "sub", "run", "begun")
"""What a restart wants to know of a node that has ended."""


def end(frame: Frame, node: Node, outcome: State, problem: Problem | None = None) -> None:
    """Give `node` its last state, free its lock and tell its parent. The last thing a transition does."""
    state = frame.states[node.id]
    if state.data:
        if "locked" in state.data:
            frame.commands.append(Release(node.id))
        state.data = {name: state.data[name] for name in KEPT if name in state.data}
    if node.allow_failure and outcome in (State.FAILED, State.LOST):
        outcome = State.WARNING
    state.state = outcome
    state.phase = ""
    state.problem = problem
    frame.changed[node.id] = state
    assert node.parent is not None
    frame.lives[node.parent.id].child_ended(frame, node, outcome, problem)


def end_unbegun(frame: Frame, node: Node) -> None:
    """End a node that was taken back before anything of it ran."""
    state = frame.states[node.id]
    if "tried" in state.data:
        end(frame, node, State.CANCELLED, state.problem)
    else:
        end(frame, node, State.NOT_STARTED)


def try_again(frame: Frame, node: Node, tries: int, problem: Problem | None, *, lost: bool = False) -> bool:
    """Have `node` tried again if its `retry` says so after `tries` tries; return whether it will be."""
    state = frame.states[node.id]
    retry = _plan(node, state)
    if retry is None or tries >= retry.attempts or not retry.covers(problem, lost=lost):
        return False
    state.state = State.RETRYING
    state.phase = RETRY
    state.problem = problem
    state.data["tried"] = tries
    frame.changed[node.id] = state
    wait = retry.wait(tries)
    if wait > 0:
        frame.commands.append(SetTimer(node.id, "retry", wait, retry.jitter))
    else:
        frame.do(frame.retry, node)
    return True


def _plan(node: Node, state: NodeState) -> RetryPlan | None:
    rendered = setting(node, state, "retry")
    if rendered is None:
        return node.retry
    assert isinstance(node.step, (Step, Flow))
    assert node.step.retry is not None
    return plan(node.step.retry, rendered)


def refuse(frame: Frame, node: Node, phase: str, problem: Problem) -> None:
    """Fail a try of `node` that never began: its lock was refused, or what is asked first cannot be had."""
    state = frame.state(node)
    tries = state.data.get("tried", 0) + 1
    if not node.scope:
        state.attempt += 1
        tries = tries_of(state)
    state.data["again"] = phase
    if not try_again(frame, node, tries, _at(node, problem)):
        end(frame, node, State.FAILED, _at(node, problem))


def tries_of(state: NodeState) -> int:
    """Return how often a task was tried since it was begun, reruns after a loss not counted."""
    data = state.data
    return state.attempt - (data.get("base", 0) + data.get("reruns", 0) if data else 0)


def ask_again(frame: Frame, node: Node, phase: str) -> None:
    """Ask once more for what was refused."""
    state = frame.state(node)
    state.state = State.QUEUED
    state.phase = phase
    frame.commands.append(Evaluate(node.id, "enter") if phase == ENTER else acquire(node, state))


def acquire(node: Node, state: NodeState) -> Acquire:
    """Return the request for the lock of `node` and note that it is waited for."""
    state.phase = LOCK
    return Acquire(node.id, setting(node, state, "lock"), setting(node, state, "lock_wait"))


def hold(frame: Frame, node: Node, by: int) -> None:
    """Count that `node` waits for a person (`by` 1) or no longer (-1): timeouts around it stand still meanwhile."""
    one: Node | None = node
    while one is not None:
        before = frame.holds.get(one.id, 0)
        frame.holds[one.id] = before + by
        if before == 0 or before + by == 0:
            _hold(frame, one, on=by > 0)
        one = one.parent


def hold_silently(frame: Frame, node: Node, by: int) -> None:
    """Count holds that were placed before, and of which the driver knows."""
    one: Node | None = node
    while one is not None and by:
        frame.holds[one.id] = frame.holds.get(one.id, 0) + by
        one = one.parent


def _hold(frame: Frame, node: Node, *, on: bool) -> None:
    state = frame.states[node.id]
    if node.scope and has_timeout(node, state):
        frame.commands.append(PauseTimer(node.id, "timeout") if on else ResumeTimer(node.id, "timeout"))
    if node.parent is None:
        if state.state in (State.RUNNING, State.PAUSED):
            state.state = State.PAUSED if on else State.RUNNING
            frame.changed[node.id] = state
        frame.commands.append(Waiting(on))


def has_timeout(node: Node, state: NodeState) -> bool:
    """Whether the timeout of a scope is set at present."""
    under_way = state.phase in ("eval", "body", "retry") and "again" not in state.data
    return under_way and "timeout" not in state.data and setting(node, state, "timeout") is not None


def first_problem(state: NodeState, problem: Problem) -> None:
    """Keep `problem` unless an earlier one is kept."""
    if state.problem is None:
        state.problem = problem


def _at(node: Node, problem: Problem) -> Problem:
    return problem if problem.task else replace(problem, task=node.id)


def located(node: Node, problem: Problem | None, type_: str) -> Problem:
    """Return `problem` with the place it came from; where there is none, one of `type_`."""
    if problem is None:
        return Problem(type_, f"`{node.id}`: {type_}", node.id)
    return _at(node, problem)
