"""The life of a scope: its rounds, `errors`, `finally` and end; of the frame as a whole, too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rota.executions.interpreter import bodies, endings
from rota.executions.interpreter.codec import problem_from_json, problem_to_json
from rota.executions.interpreter.live import OUTCOME, RANK, Live, Many
from rota.executions.interpreter.phases import BODY, END, ERRORS, EVAL, FINALLY, setting
from rota.executions.interpreter.program import ITERATED, ROOT
from rota.executions.interpreter.sequence import Sequence, reset
from rota.executions.interpreter.values import BadValue, BodyProblem
from rota.executions.models import (
    ClearTimer,
    Evaluate,
    Finish,
    FrameEnded,
    LimitsChanged,
    NodeState,
    Problem,
    Restart,
    SetTimer,
    Start,
    State,
)

if TYPE_CHECKING:
    from rota.executions.interpreter.frame import Frame
    from rota.executions.interpreter.program import Node

FAILED, CANCELLED, SUCCESS = State.FAILED, State.CANCELLED, State.SUCCESS


# --- the frame


def on_start(frame: Frame, _: Start) -> None:
    """Begin the frame as new; one that is under way goes on as it was."""
    root = frame.states.get(ROOT)
    if root is not None and root.state is not State.CREATED and not root.state.ended:
        return
    if root is not None:
        reset(frame, frame.root)
    frame.do(frame.begin, frame.root)


def on_restart(frame: Frame, event: Restart) -> None:
    """Go on with a frame that has ended."""
    root = frame.states.get(ROOT)
    if root is None or not root.state.ended:
        return
    for state in frame.states.values():
        if state.data.pop("lost", None):
            frame.changed[state.node] = state
    for name, ranges in event.todo.items():
        if name in frame.states:
            frame.states[name].data["todo"] = ranges
            frame.changed[name] = frame.states[name]
    if event.everything:
        reset(frame, frame.root)
    frame.do(frame.begin, frame.root)


def finish(frame: Frame, outcome: State, problem: Problem | None, *, until: bool | None = None) -> None:
    """End the frame."""
    state = frame.state(frame.root)
    leaves = "exit" in state.data
    data: dict[str, Any] = {name: state.data[name] for name in endings.KEPT if name in state.data}
    if leaves:
        data["exit"] = True
    if until is not None:
        data["until"] = until
    state.state, state.phase, state.problem, state.data = outcome, "", problem, data
    frame.commands.append(Finish(outcome, problem, until, leaves))


# --- the body


def start(frame: Frame, node: Node, problem: Problem | None = None) -> None:
    """Start a scope, its lock taken; with a `problem`, to fail at once."""
    state = frame.state(node)
    seconds = setting(node, state, "timeout")
    if seconds is not None and problem is None:
        frame.commands.append(SetTimer(node.id, "timeout", seconds))
    _round(frame, node, state)
    if problem is not None:
        _fail_body(frame, node, problem)
    else:
        _ask(frame, node, state)


def next_round(frame: Frame, node: Node) -> None:
    """Run again what a restart would."""
    state = frame.state(node)
    state.problem = None
    if frame.begun:
        # What says so is about to be reset.
        frame.state(frame.root).data["begun"] = True
    if node.restarts_all:
        state.data = {name: value for name, value in state.data.items() if name == "run" or name not in endings.KEPT}
    else:
        state.data["on"] = True
    _round(frame, node, state)
    _ask(frame, node, state)


def _round(frame: Frame, node: Node, state: NodeState) -> None:
    state.round += 1
    if node.parent is None:
        frame.begun = False
        state.data.pop("begun", None)
    if node.kind not in ITERATED:
        state.data.pop("left", None)
    state.state = State.PAUSED if node.parent is None and frame.holds.get(ROOT) else State.RUNNING
    if state.round > 1:
        for child in (*node.errors, *node.finally_):
            reset(frame, child)
        if "on" not in state.data:
            for child in node.children():
                reset(frame, child)


def _ask(frame: Frame, node: Node, state: NodeState) -> None:
    """Have evaluated what steers the body, unless a restart goes on with what it was."""
    stage = node.stages.items or node.stages.body
    known = "on" in state.data and ("block" in state.data or "n" in state.data)
    if stage and not known:
        state.phase = EVAL
        frame.commands.append(Evaluate(node.id, "items" if node.stages.items else "body"))
    else:
        body_evaluated(frame, node, {}, None)


def body_evaluated(frame: Frame, node: Node, values: dict[str, Any], problem: Problem | None) -> None:
    """Open the body, everything that steers it being known."""
    state = frame.states[node.id]
    if "cancel" in state.data or "timeout" in state.data:
        _replace(frame, node, rank=0)
        return
    state.phase = BODY
    if problem is None:
        try:
            bodies.open_body(frame, node, values)
        except BadValue as error:
            problem = error.problem()
        except BodyProblem as error:
            problem = error.problem
    if problem is not None:
        _fail_body(frame, node, problem)


def _fail_body(frame: Frame, node: Node, problem: Problem) -> None:
    frame.state(node).problem = endings.located(node, problem, "failed")
    _replace(frame, node, rank=3)


def _replace(frame: Frame, node: Node, rank: int) -> None:
    """End the body without anything in it."""
    frame.state(node).phase = BODY
    live = frame.lives[node.id] = Sequence(node, ())
    live.rank = rank
    live.left = True
    live.go(frame)


def abandon_retry(frame: Frame, node: Node) -> None:
    """End a scope that waited for its next round: it has been cancelled, or its time is up."""
    frame.commands.append(ClearTimer(node.id, "retry"))
    if "again" in frame.states[node.id].data:
        endings.end(frame, node, CANCELLED, frame.states[node.id].problem)
    else:
        _replace(frame, node, rank=2)


def block_done(frame: Frame, node: Node, _: None = None) -> None:
    """The list of children that was under way has ended."""
    live = frame.lives[node.id]
    if isinstance(live, Many):
        frame.unsaved.pop(node.id, None)
        live.save(frame)
    state = frame.state(node)
    if state.phase == BODY:
        _body_done(frame, node, state, live)
    elif state.phase == ERRORS:
        _errors_done(frame, node, state, live)
    else:
        _finally_done(frame, node, state, live)


def _body_done(frame: Frame, node: Node, state: NodeState, live: Live) -> None:
    data = state.data
    cancel = data.get("cancel")
    outcome = OUTCOME[live.rank]
    if "timeout" in data:
        outcome = FAILED
        endings.first_problem(state, Problem("timeout", f"{called(node)} took too long", node.id))
    elif cancel in ("cancel", "timeout", "withdraw") and live.rank < RANK[CANCELLED]:
        outcome = CANCELLED
    if outcome is FAILED and cancel is None and "timeout" not in data:
        data["tried"] = data.get("tried", 0) + 1
        if endings.try_again(frame, node, data["tried"], state.problem):
            return
    if setting(node, state, "timeout") is not None:
        frame.commands.append(ClearTimer(node.id, "timeout"))
    if live.left:
        data.setdefault("left", True)
    if cancel == "withdraw":
        _conclude(frame, node, state, CANCELLED if frame.begun else State.NOT_STARTED)
    elif outcome is FAILED and node.errors and cancel is None:
        data["outcome"] = outcome
        _block(frame, node, state, ERRORS)
    else:
        recovered = outcome is FAILED and node.recover and not node.errors and cancel is None
        _to_finally(frame, node, state, _recover(state) if recovered else outcome)


# --- errors and finally


def _block(frame: Frame, node: Node, state: NodeState, phase: str) -> None:
    if "final" not in state.data:
        state.data["final"] = True
        frame.commands.append(SetTimer(node.id, "finally", setting(node, state, "finally_timeout")))
    state.phase = phase
    live = frame.lives[node.id] = Sequence(node, node.errors if phase == ERRORS else node.finally_)
    live.go(frame)


def _errors_done(frame: Frame, node: Node, state: NodeState, live: Live) -> None:
    outcome = State(state.data["outcome"])
    late = state.data.pop("late", False)
    if late:
        # `finally` always runs: it gets a time of its own.
        state.data.pop("final")
    if node.recover and live.rank < RANK[CANCELLED] and not late and "cancel" not in state.data:
        outcome = _recover(state)
    _to_finally(frame, node, state, outcome)


def _recover(state: NodeState) -> State:
    state.problem = None
    state.data.pop("left", None)
    return SUCCESS


def _to_finally(frame: Frame, node: Node, state: NodeState, outcome: State) -> None:
    if node.finally_:
        state.data["outcome"] = outcome
        _block(frame, node, state, FINALLY)
    else:
        _conclude(frame, node, state, outcome)


def _finally_done(frame: Frame, node: Node, state: NodeState, live: Live) -> None:
    outcome = State(state.data["outcome"])
    if "late" in state.data:
        live.rank = 3
        message = f"`finally` of {called(node)} took too long"
        endings.first_problem(state, Problem("timeout", message, node.id))
    if live.rank > RANK[outcome]:
        outcome = OUTCOME[live.rank]
    if live.rank == RANK[FAILED] and "exit" in frame.states[ROOT].data:
        frame.state(frame.root).data["exit"] = exit_data(FAILED, state.problem)
    _conclude(frame, node, state, outcome)


def _conclude(frame: Frame, node: Node, state: NodeState, outcome: State) -> None:
    if "final" in state.data:
        frame.commands.append(ClearTimer(node.id, "finally"))
    frame.lives.pop(node.id, None)
    if outcome in (SUCCESS, State.WARNING) and state.problem is not None:
        state.problem = None
    if node.parent is not None:
        endings.end(frame, node, outcome, state.problem)
    else:
        _last(frame, node, state, outcome)


# --- the end of the frame


def _last(frame: Frame, node: Node, state: NodeState, outcome: State) -> None:
    """Have read what is read last, and end the frame."""
    leaving = state.data.get("exit")
    if leaving:
        outcome = State(leaving["state"])
        state.problem = None if leaving["problem"] is None else problem_from_json(leaving["problem"])
    wanted = node.stages.end
    well = outcome in (SUCCESS, State.WARNING)
    needed = "collect" in wanted or (well and not (leaving and "until" in wanted))
    if wanted and needed and outcome is not State.NOT_STARTED:
        state.data["outcome"] = outcome
        state.phase = END
        frame.commands.append(Evaluate(ROOT, "end", lenient=not well or bool(leaving)))
    else:
        finish(frame, outcome, state.problem, until=node.fixed.get("until") if well else None)


def end_evaluated(frame: Frame, values: dict[str, Any], problem: Problem | None) -> None:
    """End the frame, its last values being read."""
    state = frame.states[ROOT]
    outcome = State(state.data["outcome"])
    until = values.get("until", frame.root.fixed.get("until"))
    if problem is None and "until" in frame.root.stages.end and not isinstance(until, bool):
        problem = Problem("template", "`until` must give true or false", retryable=False)
    if problem is not None and outcome in (SUCCESS, State.WARNING) and "exit" not in state.data:
        finish(frame, FAILED, problem)
    else:
        finish(frame, outcome, state.problem, until=until)


def called(node: Node) -> str:
    """Return `node` as messages name it."""
    return f"`{node.id}`" if node.id else "the flow"


def exit_data(outcome: State, problem: Problem | None) -> dict[str, Any]:
    """Return what is kept of an `exit` until the frame ends."""
    return {"state": str(outcome), "problem": None if problem is None else problem_to_json(problem)}


def leave(frame: Frame, outcome: State, problem: Problem | None) -> None:
    """End the whole execution in state `outcome`: what is under way is stopped, `finally` runs.

    The first one counts.
    """
    root = frame.state(frame.root)
    if "exit" not in root.data:
        root.data["exit"] = exit_data(outcome, problem)
        frame.do(frame.cancel, frame.root, "exit")


# --- iterations


def on_frame_ended(frame: Frame, event: FrameEnded) -> None:
    """Take in the end of an iteration."""
    live = frame.lives.get(event.node)
    if isinstance(live, Many):
        live.frame_ended(frame, event)


def on_limits_changed(frame: Frame, event: LimitsChanged) -> None:
    """Change the limits of iterations under way."""
    live = frame.lives.get(event.node)
    if live is not None and live.scope.kind in ITERATED:
        bodies.change_limits(frame, live, event)
