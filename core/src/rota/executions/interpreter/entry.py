"""How a node comes to start: skipped or not, its first questions, its lock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rota.executions.interpreter import controls, rollout, scopes
from rota.executions.interpreter.attempts import run
from rota.executions.interpreter.endings import KEPT, acquire, ask_again, end, end_unbegun, refuse
from rota.executions.interpreter.phases import BODY, END, ENTER, EVAL, LOCK
from rota.executions.interpreter.values import BadValue, boolean, plan, seconds
from rota.executions.models import (
    Evaluate,
    Evaluated,
    LockGranted,
    LockQueued,
    LockRefused,
    NodeState,
    Run,
    State,
)
from rota.flows.models import Flow, Step

if TYPE_CHECKING:
    from rota.executions.interpreter.frame import Frame
    from rota.executions.interpreter.program import Node

QUEUED, CREATED = State.QUEUED, State.CREATED
_PHASES = {"enter": ENTER, "body": EVAL, "items": EVAL, "end": END}


def begin(frame: Frame, node: Node, _: None = None) -> None:
    """Begin `node`: as new, or, where it has ended before, where it left off."""
    state = frame.states.get(node.id)
    if state is None:
        if node.direct:
            state = NodeState(node.id, QUEUED, 1, frame.round, "", None, {})
            frame.states[node.id] = frame.changed[node.id] = state
            frame.commands.append(Run(node.id, 1, node.urgent))
            return
        state = frame.states[node.id] = NodeState(node.id)
    frame.changed[node.id] = state
    _prepare(node, state)
    if node.skipped:
        end(frame, node, State.SKIPPED)
    elif node.stages.enter:
        state.phase = ENTER
        frame.commands.append(Evaluate(node.id, "enter"))
    else:
        entered(frame, node)


def _prepare(node: Node, state: NodeState) -> None:
    """Forget what is over; keep what a restart goes on with."""
    data: dict[str, Any] = {name: state.data[name] for name in ("lost", "run") if name in state.data}
    if (state.state is not CREATED or "on" in state.data) and not node.restarts_all:
        data = {name: state.data[name] for name in KEPT if name in state.data}
        data["on"] = True
    if state.attempt:
        data["base"] = state.attempt
    state.state = QUEUED
    state.phase = ""
    state.problem = None
    state.data = data


def entered(frame: Frame, node: Node) -> None:
    """Take the lock of `node`, or start it."""
    if node.holds_lock:
        frame.commands.append(acquire(node, frame.state(node)))
    else:
        start(frame, node)


def start(frame: Frame, node: Node) -> None:
    """Start `node`: nothing stands before it any more."""
    if node.scope:
        scopes.start(frame, node)
    elif node.kind == "task":
        run(frame, node)
    else:
        controls.start(frame, node)


def retry(frame: Frame, node: Node, _: None = None) -> None:
    """Try `node` again, from where its last try failed."""
    state = frame.state(node)
    refused = state.data.pop("again", None)
    if refused:
        ask_again(frame, node, refused)
    elif node.scope:
        scopes.next_round(frame, node)
    else:
        start(frame, node)


def on_evaluated(frame: Frame, event: Evaluated) -> None:
    """Take in the answer to `Evaluate`."""
    state = frame.states.get(event.node)
    if state is None or state.phase != _PHASES[event.stage]:
        return
    node = frame.nodes[event.node]
    frame.changed[node.id] = state
    if event.stage == "end":
        scopes.end_evaluated(frame, event.values, event.problem)
    elif event.stage == "enter":
        _enter_evaluated(frame, node, state, event)
    elif node.scope:
        scopes.body_evaluated(frame, node, event.values, event.problem)
    else:
        controls.body_evaluated(frame, node, event.values, event.problem)


def _enter_evaluated(frame: Frame, node: Node, state: NodeState, event: Evaluated) -> None:
    if state.data.pop("drop", None):
        _dropped(frame, node)
        return
    problem = event.problem
    wanted = True
    if problem is None:
        try:
            wanted = boolean(event.values["when"], "when") if "when" in node.stages.enter else True
            state.data["set"] = settings(node, event.values)
        except BadValue as error:
            problem = error.problem()
    if problem is not None and node.parent is None:
        scopes.start(frame, node, problem)
    elif problem is not None:
        refuse(frame, node, ENTER, problem)
    elif not wanted:
        end(frame, node, State.SKIPPED)
    else:
        entered(frame, node)


def _dropped(frame: Frame, node: Node) -> None:
    if node.parent is None:
        scopes.finish(frame, State.CANCELLED, None)
    else:
        end_unbegun(frame, node)


def settings(node: Node, values: dict[str, Any]) -> dict[str, Any]:
    """Return the rendered common keys of `node` as they are kept: durations in seconds. Raises BadValue."""
    kept: dict[str, Any] = {}
    for name in node.stages.enter:
        value = values.get(name)
        if name in ("timeout", "finally_timeout", "lock_wait"):
            kept[name] = seconds(value, name)
        elif name == "lock":
            kept[name] = str(value)
        elif name == "retry":
            assert isinstance(node.step, (Step, Flow))
            assert node.step.retry is not None
            assert isinstance(value, dict)
            plan(node.step.retry, value)
            kept[name] = value
    return kept


def on_lock_granted(frame: Frame, event: LockGranted) -> None:
    """Start what waited for its lock."""
    state = frame.states.get(event.node)
    if state is None:
        return
    node = frame.nodes[event.node]
    if event.index is not None:
        if state.phase == BODY:
            _rollout(frame, node).granted(frame, event.index)
    elif state.phase == LOCK:
        state.data["locked"] = True
        start(frame, node)


def on_lock_queued(frame: Frame, event: LockQueued) -> None:
    """Let the next target ask for its lock."""
    state = frame.states.get(event.node)
    if state is not None and state.phase == BODY:
        _rollout(frame, frame.nodes[event.node]).queued(frame, event.index)


def on_lock_refused(frame: Frame, event: LockRefused) -> None:
    """Fail what cannot have its lock."""
    state = frame.states.get(event.node)
    if state is None:
        return
    node = frame.nodes[event.node]
    if event.index is not None:
        if state.phase == BODY:
            _rollout(frame, node).refused(frame, event.index, event.problem)
    elif state.phase == LOCK:
        refuse(frame, node, LOCK, event.problem)


def _rollout(frame: Frame, node: Node) -> rollout.Rollout:
    live = frame.lives[node.id]
    assert isinstance(live, rollout.Rollout)
    return live
