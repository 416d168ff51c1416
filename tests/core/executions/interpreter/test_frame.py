"""A frame as drivers see it: what it asks for once, what it asks for again, and what it costs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest

from rota.executions.interpreter.codec import from_json, node_state_to_json, to_json
from rota.executions.interpreter.frame import Frame
from rota.executions.interpreter.program import compile_flow
from rota.executions.models import (
    LANGUAGE_VERSION,
    Acquire,
    AskPerson,
    Cancel,
    ChildWaiting,
    Command,
    Ended,
    Evaluate,
    Evaluated,
    Event,
    Finish,
    FrameEnded,
    LimitsChanged,
    LockGranted,
    LockQueued,
    LockRefused,
    NodeState,
    Open,
    Problem,
    Restart,
    Resumed,
    Run,
    SetTimer,
    Start,
    StartSubflow,
    State,
    StopFrame,
    StopSubflow,
    SubflowEnded,
    TimerFired,
    Withdraw,
    WithdrawFrame,
)
from rota.flows.models import Flow, Sequential, TaskStep
from tests.core.executions.interpreter.steps import (
    Step,
    fleet,
    foreach,
    parallel,
    repeat,
    sequential,
    step,
    task,
    tasks,
    written,
)
from tests.core.executions.interpreter.world import make_flow

S, F = State.SUCCESS, State.FAILED


def frame_of(*steps: Step | str, name: str = "", **flow: Any) -> Frame:
    return Frame(compile_flow(make_flow({"tasks": written(steps), **flow})).frames[name])


def changes(frame: Frame) -> dict[str, State]:
    return {state.node: state.state for state in frame.take_changes()}


# --- rows


def test_only_what_changed_is_to_be_stored() -> None:
    frame = frame_of("a b c")
    frame.apply(Start())
    assert changes(frame) == {"": State.RUNNING, "a": State.QUEUED}
    assert changes(frame) == {}
    assert frame.started("a")
    assert changes(frame) == {"a": State.RUNNING}
    frame.apply(Ended("a", 1, S))
    assert changes(frame) == {"a": S, "b": State.QUEUED}


def test_a_task_that_is_no_longer_wanted_is_not_started() -> None:
    frame = frame_of("a")
    assert not frame.started("a")
    frame.apply(Start())
    assert frame.apply(Cancel()) == [Withdraw("a")]
    assert not frame.started("a")
    assert not frame.started("nobody")


def test_states_are_small() -> None:
    frame = frame_of(sequential("s", "a"))
    frame.apply(Start())
    frame.started("a")
    frame.apply(Ended("a", 1, S))
    assert [node_state_to_json(state) for state in frame.take_changes()] == [
        {"node": "", "state": "success", "round": 1},
        {"node": "s", "state": "success", "round": 1},
        {"node": "a", "state": "success", "attempt": 1, "round": frame.round},
    ]


def test_events_of_another_attempt_or_of_nobody_change_nothing() -> None:
    frame = frame_of(task("a", retry={"attempts": 3}))
    frame.apply(Start())
    frame.apply(Ended("a", 1, F))
    late: list[Event] = [Ended("a", 1, S), Ended("x", 1, S), Evaluated("a", "enter"), LockGranted("a"), Resumed("a")]
    late += [SubflowEnded("a", S), FrameEnded("a", 0, S), ChildWaiting("a", True), LimitsChanged("a", 1)]
    late += [LockQueued("x", 0), LockRefused("x", Problem("lock", "no")), LockGranted("a", 3), TimerFired("a", "sleep")]
    for event in late:
        assert frame.apply(event) == []
    assert frame.apply(Ended("a", 2, S)) == [Finish(S)]


def test_an_answer_for_an_iteration_that_is_not_open_changes_nothing() -> None:
    frame = frame_of(foreach("f", "a", lock="k{{ index }}"))
    frame.apply(Start())
    assert frame.apply(Evaluated("f", "items", {"count": 3})) == [Acquire("f", index=0)]
    assert frame.apply(LockGranted("f", 0)) == [Open("f", 0)]
    for late in (
        LockGranted("f", 0),
        LockQueued("f", 0),
        LockRefused("f", Problem("lock", "no"), 0),
        FrameEnded("f", 1, S),
    ):
        assert frame.apply(late) == []


# --- going on after a crash


def resumed(frame: Frame) -> list[Command]:
    rows = json.loads(json.dumps([node_state_to_json(state) for state in frame.states.values()]))
    snapshot = json.loads(json.dumps(frame.snapshot()))
    other = Frame.load(frame.program, snapshot)
    assert len(snapshot["nodes"]) == len(rows)
    assert other.resume() == frame.resume()
    return other.resume()


LOCKED = Problem("lock", "no")
OUTSTANDING: list[tuple[Step, list[Any], list[Command]]] = [
    (task("a"), [], [Run("a", 1)]),
    (task("a", lock="k"), [], [Acquire("a", "k")]),
    (task("a", lock="{{ k }}"), [], [Evaluate("a", "enter")]),
    (task("a", lock="{{ k }}"), [Evaluated("a", "enter", {"lock": "x"})], [Acquire("a", "x")]),
    (task("a", retry={"attempts": 2, "delay": 9}), [Ended("a", 1, F)], []),
    (task("a", retry={"attempts": 2}), [Ended("a", 1, F)], [Run("a", 2)]),
    (task("a"), [Cancel()], [Withdraw("a")]),
    (step("sleep", "a", duration=9), [], []),
    (step("pause", "a"), [], [AskPerson("a", "pause")]),
    (step("pause", "a", duration=9), [], []),
    (step("subflow", "a", flow="x"), [], [StartSubflow("a")]),
    (step("subflow", "a", flow="x", inputs={"i": "{{ i }}"}), [], [Evaluate("a", "body")]),
    (step("subflow", "a", flow="x"), [Cancel()], [StartSubflow("a"), StopSubflow("a")]),
    (step("if", "a", condition="x", then=tasks("b")), [], [Evaluate("a", "body")]),
    (foreach("a", "b"), [], [Evaluate("a", "items")]),
    (foreach("a", "b", concurrency=2), [Evaluated("a", "items", {"count": 3})], [Open("a", 0), Open("a", 1)]),
    (
        foreach("a", "b", concurrency=2),
        [Evaluated("a", "items", {"count": 3}), FrameEnded("a", 0, F)],
        [Open("a", 1), WithdrawFrame("a", 1)],
    ),
    (foreach("a", "b"), [Evaluated("a", "items", {"count": 3}), Cancel()], [Open("a", 0), StopFrame("a", 0)]),
    (
        fleet("a", "b", lock="k"),
        [Evaluated("a", "items", {"count": 2}), LockQueued("a", 0), LockGranted("a", 1)],
        [Open("a", 1), Acquire("a", index=0)],
    ),
    (
        fleet("a", "b", batch=1, approve={"after": "batch"}),
        [Evaluated("a", "items", {"count": 2}), FrameEnded("a", 0, S)],
        [AskPerson("a", "approve")],
    ),
    (repeat("a", "b"), [], [Open("a", 0)]),
    (repeat("a", "b"), [FrameEnded("a", 0, S, until=False), Cancel()], [Open("a", 1), StopFrame("a", 1)]),
    (task("a"), [Ended("a", 1, S)], [Finish(S)]),
]


@pytest.mark.parametrize(("one", "events", "expected"), OUTSTANDING)
def test_commands_whose_answers_are_outstanding_are_given_again(
    one: Step, events: list[Any], expected: list[Command]
) -> None:
    frame = frame_of(one)
    for event in [Start(), *events]:
        frame.apply(event)
    assert resumed(frame) == expected


def test_the_end_of_an_iteration_is_given_again_with_all_that_its_parent_needs() -> None:
    frame = frame_of(repeat("r", "a", until=False), name="r")
    frame.apply(Start())
    assert frame.apply(Ended("a", 1, S)) == [Finish(S, until=False)]
    assert resumed(frame) == [Finish(S, until=False)]
    frame = frame_of(repeat("r", step("exit", "x", state="warning", message="m")), name="r")
    finish = Finish(State.WARNING, Problem("exit", "m", "x", retryable=False), exit=True)
    assert frame.apply(Start()) == [finish]
    assert resumed(frame) == [finish]


def test_columns_that_were_being_read_are_asked_for_again() -> None:
    frame = frame_of(foreach("f", "a", collect={"x": "outputs.a"}), name="f")
    frame.apply(Start())
    assert frame.apply(Ended("a", 1, F)) == [Evaluate("", "end", lenient=True)]
    assert resumed(frame) == [Evaluate("", "end", lenient=True)]


def test_tasks_that_a_worker_had_are_named_so_that_they_can_be_called_lost() -> None:
    frame = frame_of(parallel("p", "a b c", step("sleep", "z", duration=9)))
    frame.apply(Start())
    frame.started("a")
    frame.started("b")
    frame.apply(Cancel())
    other = Frame.load(frame.program, frame.snapshot())
    assert other.running() == [("a", 1), ("b", 1)]
    assert other.apply(Ended("a", 1, State.LOST)) == []


def test_a_snapshot_of_another_version_of_the_language_is_refused() -> None:
    frame = frame_of("a")
    with pytest.raises(ValueError, match="version 99"):
        Frame.load(frame.program, {"language": 99, "nodes": []})
    assert frame.snapshot()["language"] == LANGUAGE_VERSION == compile_flow(make_flow({"tasks": []})).language


def test_rows_of_tasks_that_a_new_revision_no_longer_has_are_left_out() -> None:
    frame = Frame.load(frame_of("a").program, [NodeState("old", S, 1), NodeState("a", F, 1), NodeState("", F, 0, 1)])
    assert frame.apply(Restart()) == [Run("a", 2)]


def test_an_iteration_that_has_begun_is_not_withdrawn() -> None:
    frame = frame_of(foreach("f", "a b"), name="f")
    frame.apply(Start())
    frame.started("a")
    assert frame.begun
    assert frame.apply(Cancel("withdraw")) == []
    frame.apply(Ended("a", 1, S))
    assert Frame.load(frame.program, frame.snapshot()).begun
    assert frame.apply(Cancel("withdraw")) == []


# --- JSON


def test_every_event_and_command_survives_json() -> None:
    problem = Problem("Boom", "no", "a", "db-1", 2, retryable=False)
    for one in (
        Start(),
        Evaluated("a", "items", {"count": 3, "deep": {"x": [1]}}),
        Evaluated("a", "enter", problem=problem),
        Ended("a", 2, State.LOST, problem, rerun=True),
        FrameEnded("f", 0, State.SKIPPED, problem, until=False, exit=True),
        LimitsChanged("f", 0, None),
        Restart({"f": [[0, 3]]}, everything=True),
        Acquire("a", "k", 1.5),
        Acquire("a", index=0),
        SetTimer("a", "retry", 1.5, 0.2),
        Finish(S, None, until=True),
    ):
        packed = to_json(one)
        assert from_json(json.loads(json.dumps(packed))) == one
        assert packed["kind"] == type(one).__name__
    assert to_json(Run("a", 1)) == {"kind": "Run", "node": "a", "attempt": 1}
    assert to_json(LockGranted("f", 0)) == {"kind": "LockGranted", "node": "f", "index": 0}


def test_json_of_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match="`Nonsense`"):
        from_json({"kind": "Nonsense"})


# --- cost


def steps_taken(work: Callable[[], object]) -> int:
    """Count the lines of Python that `work` runs."""
    count = 0

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def drain(frame: Frame, commands: list[Command]) -> int:
    """Let every task and iteration succeed; return how many events that took."""
    todo, events = list(commands), 0
    while todo:
        one = todo.pop()
        if isinstance(one, Run):
            frame.started(one.node)
            todo += frame.apply(Ended(one.node, one.attempt, S))
        elif isinstance(one, Open):
            todo += frame.apply(FrameEnded(one.node, one.index, S))
        frame.take_changes()
        events += 1
    return events


def many(count: int) -> list[tuple[str, Frame, list[Any]]]:
    children = [task(f"t{index}") for index in range(count)]
    needing = [task(f"t{index}", **({"needs": [f"t{index - 1}"]} if index % 10 else {})) for index in range(count)]
    items = [Evaluated("f", "items", {"count": count})]
    return [
        ("chain", frame_of(*children), []),
        ("parallel", frame_of(parallel("p", *children)), []),
        ("parallel, limited", frame_of(parallel("p", *children, concurrency=8)), []),
        ("parallel with needs", frame_of(parallel("p", *needing)), []),
        ("foreach", frame_of(foreach("f", "a", concurrency=8)), items),
        ("foreach, all at once", frame_of(foreach("f", "a", concurrency=count)), items),
        ("fleet", frame_of(fleet("f", "a", batch=20)), items),
    ]


@pytest.mark.parametrize("which", range(7))
def test_an_event_costs_the_same_whatever_the_number_of_children(which: int) -> None:
    costs = []
    for count in (200, 2000):
        _, frame, events = many(count)[which]
        commands = [command for event in [Start(), *events] for command in frame.apply(event)]

        def work(frame: Frame = frame, commands: list[Command] = commands) -> None:
            assert drain(frame, commands) > 0

        costs.append(steps_taken(work) / count)
    assert frame.ended
    assert costs[1] < costs[0] * 1.2 + 5, costs


def test_a_failure_among_ten_thousand_is_dealt_with_at_once() -> None:
    frame = frame_of(parallel("p", *[task(f"t{index}") for index in range(10_000)], concurrency=5))
    frame.apply(Start())
    frame.take_changes()
    commands = frame.apply(Ended("t0", 1, F))
    assert commands == [Withdraw(f"t{index}") for index in range(1, 5)]
    assert len(frame.take_changes()) == 10_000 + 1


def test_nothing_is_too_long_or_too_deep() -> None:
    frame = frame_of(*[task(f"t{index}", disabled=True) for index in range(10_000)], "z")
    assert frame.apply(Start()) == [Run("z", 1)]
    assert frame.apply(Ended("z", 1, S)) == [Finish(S)]

    inner: Any = TaskStep(id="z", type="noop")
    for depth in range(5_000):
        inner = Sequential.model_construct(id=f"s{depth}", type="sequential", tasks=[inner])
    program = compile_flow(Flow.model_construct(id="deep", tasks=[inner])).frames[""]
    for how, expected in ((S, S), (F, F)):
        frame = Frame(program)
        assert frame.apply(Start()) == [Run("z", 1)]
        assert frame.apply(Ended("z", 1, how, Problem("Boom", "no", "z") if how is F else None))[-1].state is expected  # type: ignore[union-attr]
    frame = Frame(program)
    frame.apply(Start())
    frame = Frame.load(program, frame.snapshot())
    assert frame.apply(Cancel()) == [Withdraw("z")]
    assert frame.apply(Ended("z", 1, State.NOT_STARTED)) == [Finish(State.CANCELLED)]


def test_five_thousand_needs_in_a_row() -> None:
    chain = [task(f"t{index}", needs=[f"t{index - 1}"] if index else []) for index in range(5_000)]
    frame = frame_of(parallel("p", *reversed(chain), fail_fast=False))
    assert frame.apply(Start()) == [Run("t0", 1)]
    finish = Finish(F, Problem("Boom", "no", "t0"))
    assert frame.apply(Ended("t0", 1, F, Problem("Boom", "no", "t0"))) == [finish]
