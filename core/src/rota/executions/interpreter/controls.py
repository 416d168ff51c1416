"""The control tasks that hold nothing and need no worker: `sleep`, `pause`, `fail`, `exit`, `subflow`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rota.executions.interpreter import scopes, stopping
from rota.executions.interpreter.attempts import failed
from rota.executions.interpreter.endings import end, hold
from rota.executions.interpreter.live import Many
from rota.executions.interpreter.phases import EVAL, PERSON, RETRY, SUBFLOW, WAIT, setting
from rota.executions.interpreter.values import BadValue, seconds
from rota.executions.models import (
    AskPerson,
    ChildWaiting,
    ClearTimer,
    Evaluate,
    NodeState,
    Problem,
    Resumed,
    SetTimer,
    StartSubflow,
    State,
    StopSubflow,
    SubflowEnded,
    TimerFired,
    TimerName,
)
from rota.flows.models import Exit, Pause

if TYPE_CHECKING:
    from rota.executions.interpreter.frame import Frame
    from rota.executions.interpreter.program import Node

SUCCESS, FAILED, CANCELLED, CANCELLING = State.SUCCESS, State.FAILED, State.CANCELLED, State.CANCELLING


def start(frame: Frame, node: Node) -> None:
    """Start the next attempt of a control task."""
    state = frame.state(node)
    state.attempt += 1
    state.round = frame.round
    state.state = State.RUNNING
    state.problem = None
    frame.begun = True
    limit = setting(node, state, "timeout")
    if limit is not None:
        frame.commands.append(SetTimer(node.id, "timeout", limit))
    if node.stages.body and "sub" not in state.data:
        state.phase = EVAL
        frame.commands.append(Evaluate(node.id, "body"))
    else:
        body_evaluated(frame, node, {}, None)


def body_evaluated(frame: Frame, node: Node, values: dict[str, Any], problem: Problem | None) -> None:
    """Do what the task is for, everything that steers it being known."""
    state = frame.states[node.id]
    if "drop" in state.data:
        _done(frame, node, CANCELLED)
        return
    if "timeout" in state.data:
        problem = _too_long(node)
    if problem is None:
        try:
            _PERFORM[node.kind](frame, node, state, values)
        except BadValue as error:
            problem = error.problem()
    if problem is not None:
        _failed(frame, node, problem)


def _sleep(frame: Frame, node: Node, state: NodeState, values: dict[str, Any]) -> None:
    duration = seconds(values.get("duration", node.fixed.get("duration")), "duration")
    state.phase = WAIT
    if duration > 0:
        frame.commands.append(SetTimer(node.id, "sleep", duration))
    else:
        _done(frame, node, SUCCESS)


def _pause(frame: Frame, node: Node, state: NodeState, values: dict[str, Any]) -> None:
    step = node.step
    assert isinstance(step, Pause)
    duration = values.get("duration", node.fixed.get("duration"))
    longest = None if duration is None else seconds(duration, "duration")
    state.state = State.PAUSED
    state.phase = PERSON if step.inputs or step.approvers or longest is None else WAIT
    if longest is not None:
        frame.commands.append(SetTimer(node.id, "pause", longest))
    if state.phase == PERSON:
        frame.commands.append(AskPerson(node.id, "pause"))
        hold(frame, node, 1)


def _fail(frame: Frame, node: Node, _: NodeState, values: dict[str, Any]) -> None:
    _failed(frame, node, Problem("fail", str(values.get("message", node.fixed.get("message"))), node.id))


def _exit(frame: Frame, node: Node, state: NodeState, values: dict[str, Any]) -> None:
    step = node.step
    assert isinstance(step, Exit)
    message = str(values.get("message", node.fixed.get("message")))
    problem = Problem("exit", message, node.id, retryable=False)
    state.phase = "exit"
    # What is under way is cancelled first, so that nothing starts when this one ends.
    frame.do(_exited, node, problem)
    scopes.leave(frame, State(step.state), problem)


def _exited(frame: Frame, node: Node, problem: Problem) -> None:
    assert isinstance(node.step, Exit)
    _done(frame, node, State(node.step.state), problem)


def _subflow(frame: Frame, node: Node, state: NodeState, _: dict[str, Any]) -> None:
    before = state.data.get("sub", False)
    state.data["sub"] = True
    if before:
        state.data["resumed"] = True
    state.phase = SUBFLOW
    frame.commands.append(StartSubflow(node.id, restart=before))


_PERFORM: dict[str, Callable[[Frame, Node, NodeState, dict[str, Any]], None]] = {
    "sleep": _sleep,
    "pause": _pause,
    "fail": _fail,
    "exit": _exit,
    "subflow": _subflow,
}


# --- their ends


def _close(frame: Frame, node: Node, state: NodeState) -> None:
    """Forget what an attempt waited for."""
    if setting(node, state, "timeout") is not None:
        frame.commands.append(ClearTimer(node.id, "timeout"))
    if state.phase == PERSON or state.data.pop("held", None):
        hold(frame, node, -1)
    state.phase = ""
    state.data.pop("timeout", None)


def _done(frame: Frame, node: Node, outcome: State, problem: Problem | None = None) -> None:
    state = frame.state(node)
    _close(frame, node, state)
    end(frame, node, outcome, problem)


def _failed(frame: Frame, node: Node, problem: Problem) -> None:
    state = frame.state(node)
    _close(frame, node, state)
    failed(frame, node, FAILED, problem)


def cancel(frame: Frame, node: Node, state: NodeState) -> None:
    """Stop a control task. What is being evaluated is waited for."""
    if state.phase == EVAL:
        state.data["drop"] = True
    elif state.phase == RETRY:
        frame.commands.append(ClearTimer(node.id, "retry"))
        end(frame, node, CANCELLED, state.problem)
    elif state.phase == SUBFLOW:
        if state.state is not CANCELLING:
            frame.commands.append(StopSubflow(node.id))
        state.state = CANCELLING
    elif state.phase in (PERSON, WAIT):
        _clear(frame, node)
        _done(frame, node, CANCELLED)


def _clear(frame: Frame, node: Node) -> None:
    if node.kind == "sleep" or node.fixed.get("duration", node.stages.body.get("duration")) is not None:
        frame.commands.append(ClearTimer(node.id, "sleep" if node.kind == "sleep" else "pause"))


def _too_long(node: Node) -> Problem:
    return Problem("timeout", f"`{node.id}` took too long", node.id)


def _timed_out(frame: Frame, node: Node, state: NodeState) -> None:
    """The time for the attempt is over."""
    if state.phase == EVAL:
        state.data["timeout"] = True
    elif state.phase == SUBFLOW and "timeout" not in state.data:
        state.data["timeout"] = True
        frame.commands.append(StopSubflow(node.id))
    elif state.phase in (PERSON, WAIT):
        _clear(frame, node)
        _failed(frame, node, _too_long(node))


# --- events


def on_timer(frame: Frame, event: TimerFired) -> None:
    """Take in that a timer is due; one that is no longer wanted changes nothing."""
    state = frame.states.get(event.node)
    if state is None or state.state.ended:
        return
    node = frame.nodes[event.node]
    frame.changed[node.id] = state
    name = event.name
    if name == "retry":
        if state.phase == RETRY:
            frame.do(frame.retry, node)
    elif name == "finally":
        stopping.finally_timed_out(frame, node)
    elif name == "timeout":
        if node.scope:
            stopping.timed_out(frame, node)
        else:
            _timed_out(frame, node, state)
    else:
        _waited(frame, node, state, name)


def _waited(frame: Frame, node: Node, state: NodeState, name: TimerName) -> None:
    if name in ("sleep", "pause"):
        if state.phase in (WAIT, PERSON):
            _passed(frame, node, state)
        return
    live = frame.lives.get(node.id)
    if isinstance(live, Many):
        live.timer(frame, name)


def _passed(frame: Frame, node: Node, state: NodeState) -> None:
    """A `sleep` is over, or a `pause` that nobody ended."""
    step = node.step
    follows = "continue"
    if isinstance(step, Pause):
        follows = step.on_timeout or ("fail" if state.phase == PERSON else "continue")
    if follows == "continue":
        _done(frame, node, SUCCESS)
    elif follows == "cancel":
        _done(frame, node, CANCELLED, Problem("timeout", f"nobody answered `{node.id}` in time", node.id))
    else:
        _failed(frame, node, Problem("timeout", f"nobody answered `{node.id}` in time", node.id))


def on_resumed(frame: Frame, event: Resumed) -> None:
    """Take in what a person decided."""
    state = frame.states.get(event.node)
    if state is None:
        return
    node = frame.nodes[event.node]
    live = frame.lives.get(node.id)
    if isinstance(live, Many):
        live.resumed(frame, reject=event.reject)
    elif node.kind == "pause" and state.phase in (PERSON, WAIT):
        _clear(frame, node)
        if event.reject:
            _failed(frame, node, Problem("rejected", f"`{node.id}` was rejected", node.id, retryable=False))
        else:
            _done(frame, node, SUCCESS)


def on_subflow_ended(frame: Frame, event: SubflowEnded) -> None:
    """Take in how a subflow ended."""
    state = frame.states.get(event.node)
    if state is None or state.phase != SUBFLOW:
        return
    node = frame.nodes[event.node]
    if event.state.well:
        _done(frame, node, event.state, event.problem)
    elif "timeout" in state.data:
        _failed(frame, node, _too_long(node))
    elif event.state is CANCELLED:
        _done(frame, node, CANCELLED, event.problem)
    else:
        _failed(frame, node, event.problem or Problem("failed", f"subflow `{node.id}` {event.state}", node.id))


def on_child_waiting(frame: Frame, event: ChildWaiting) -> None:
    """Count that somebody is waited for inside an iteration or a subflow."""
    state = frame.states.get(event.node)
    if state is None:
        return
    node = frame.nodes[event.node]
    live = frame.lives.get(node.id)
    if isinstance(live, Many) and event.index is not None:
        live.waits(frame, event.index, waiting=event.waiting)
    elif state.phase == SUBFLOW and event.waiting != ("held" in state.data):
        frame.changed[node.id] = state
        if event.waiting:
            state.data["held"] = True
        else:
            del state.data["held"]
        hold(frame, node, 1 if event.waiting else -1)
