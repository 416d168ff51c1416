"""Cancel, timeouts, and the taking back of what has not begun."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from rota.executions.interpreter import controls, scopes
from rota.executions.interpreter.endings import end, end_unbegun
from rota.executions.interpreter.phases import BODY, ENTER, ERRORS, EVAL, FINALLY, LOCK, RETRY, WITHDRAWN
from rota.executions.interpreter.program import ROOT
from rota.executions.models import Cancel, ClearTimer, NodeState, Release, State, Stop, Withdraw

if TYPE_CHECKING:
    from rota.executions.interpreter.frame import Frame
    from rota.executions.interpreter.program import Node

QUEUED, RUNNING, CANCELLING, CANCELLED = State.QUEUED, State.RUNNING, State.CANCELLING, State.CANCELLED


def on_cancel(frame: Frame, event: Cancel) -> None:
    """End the frame."""
    root = frame.states.get(ROOT)
    if root is None or root.state.ended or (event.reason == "withdraw" and frame.begun):
        return
    frame.do(cancel, frame.root, event.reason)


def cancel(frame: Frame, node: Node, reason: str) -> None:
    """Stop what is under way of `node`; its `finally` still runs."""
    state = frame.states.get(node.id)
    if state is None or state.state is State.CREATED or state.state.ended:
        return
    frame.changed[node.id] = state
    if state.phase in (ENTER, LOCK):
        withdraw(frame, node)
    elif node.scope:
        _cancel_scope(frame, node, state, reason)
    elif node.kind == "task":
        _cancel_task(frame, node, state, reason)
    else:
        controls.cancel(frame, node, state)


def withdraw(frame: Frame, node: Node, _: None = None) -> None:
    """Take back `node` unless it has begun."""
    state = frame.states.get(node.id)
    if state is None:
        return
    if state.phase == ENTER:
        state.data["drop"] = True
        frame.changed[node.id] = state
    elif state.phase == LOCK:
        frame.commands.append(Release(node.id))
        end_unbegun(frame, node)
    elif node.kind == "task" and state.state is QUEUED and not ("ran" in state.data or "reruns" in state.data):
        _take_back(frame, node, state)


def _take_back(frame: Frame, node: Node, state: NodeState) -> None:
    if state.phase != WITHDRAWN:
        state.phase = WITHDRAWN
        frame.changed[node.id] = state
        frame.commands.append(Withdraw(node.id))


def _cancel_task(frame: Frame, node: Node, state: NodeState, reason: str) -> None:
    if state.phase == RETRY:
        frame.commands.append(ClearTimer(node.id, "retry"))
        end(frame, node, CANCELLED, state.problem)
    elif state.state is QUEUED:
        _take_back(frame, node, state)
    elif state.state is RUNNING:
        state.state = CANCELLING
        frame.commands.append(Stop(node.id, why(reason)))


def _cancel_scope(frame: Frame, node: Node, state: NodeState, reason: str) -> None:
    if state.phase not in (EVAL, BODY, RETRY, ERRORS) or "cancel" in state.data:
        return
    state.data["cancel"] = reason
    state.state = CANCELLING
    stop_work(frame, node, reason)


def timed_out(frame: Frame, node: Node) -> None:
    """The timeout of a scope is over."""
    state = frame.states[node.id]
    if state.phase in (EVAL, BODY, RETRY) and not {"cancel", "timeout", "again"} & state.data.keys():
        state.data["timeout"] = True
        frame.changed[node.id] = state
        stop_work(frame, node, "timeout")


def finally_timed_out(frame: Frame, node: Node) -> None:
    """The time for `errors` and `finally` is over."""
    state = frame.states[node.id]
    if state.phase in (ERRORS, FINALLY) and "late" not in state.data:
        state.data["late"] = True
        frame.changed[node.id] = state
        frame.lives[node.id].stop(frame, "timeout")


def stop_work(frame: Frame, node: Node, reason: str) -> None:
    """Start nothing more in a scope and cancel what runs. What is being evaluated is waited for."""
    phase = frame.states[node.id].phase
    if phase == RETRY:
        scopes.abandon_retry(frame, node)
    elif phase in (BODY, ERRORS):
        frame.lives[node.id].stop(frame, reason)


def why(reason: str) -> Literal["cancel", "timeout"]:
    """Return the reason as commands give it."""
    return "timeout" if reason == "timeout" else "cancel"
