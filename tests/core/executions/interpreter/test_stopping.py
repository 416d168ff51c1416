"""What ends early: cancel, timeouts, `exit`, and what is taken back."""

from __future__ import annotations

from typing import Any

import pytest

from rota.executions.models import Cancel, Evaluated, Finish, Problem, Start, State, Stop, TimerFired
from tests.core.executions.interpreter.steps import (
    Step,
    fleet,
    foreach,
    parallel,
    prepare,
    repeat,
    run,
    sequential,
    states,
    step,
    task,
    tasks,
)
from tests.core.executions.interpreter.world import Script

CANCEL: list[tuple[str, list[Step | str], Script, str, str]] = [
    # name, steps (cancelled after 0.5 s), script, what runs, states
    ("what runs is stopped", ["a b"], Script(), "a", "a=cancelled b=not_started"),
    ("what ends well all the same has", ["a b"], Script(stubborn={"a"}), "a", "a=success b=not_started"),
    (
        "what fails all the same has",
        ["a b"],
        Script(stubborn={"a"}, outcomes={"a": "failed"}),
        "a",
        "a=failed b=not_started",
    ),
    (
        "what is queued is withdrawn",
        [parallel("p", "a b")],
        Script(workers=1),
        "a",
        "p=cancelled a=cancelled b=not_started",
    ),
    (
        "finally runs, errors do not",
        [sequential("s", "a", errors=tasks("e"), finally_=tasks("f")), "b"],
        Script(),
        "a f",
        "s=cancelled a=cancelled f=success b=not_started",
    ),
    (
        "errors do not even if a child failed before",
        [parallel("p", "a b", fail_fast=False, errors=tasks("e"), finally_=tasks("f"))],
        Script(outcomes={"a": "failed"}, takes={"a": 0.1}),
        "a b f",
        "p=failed a=failed b=cancelled e=-",
    ),
    (
        "errors under way are stopped",
        [sequential("s", "a", errors=tasks("e g"), finally_=tasks("f"))],
        Script(outcomes={"a": "failed"}, takes={"a": 0.1}),
        "a e f",
        "s=failed e=cancelled g=not_started f=success",
    ),
    (
        "finally under way goes on",
        [sequential("s", "a", finally_=tasks("f g")), "b"],
        Script(takes={"a": 0.1}),
        "a f g",
        "s=success f=success g=success b=not_started",
    ),
    (
        "a scope in a finally goes on too",
        [sequential("s", "a", finally_=[sequential("t", "f g")])],
        Script(takes={"a": 0.1}),
        "a f g",
        "s=success t=success",
    ),
    (
        "nothing is tried again",
        [task("a", retry={"attempts": 3})],
        Script(stubborn={"a"}, outcomes={"a": "failed"}),
        "a",
        "a=failed",
    ),
    (
        "nor what waits to be",
        [task("a", retry={"attempts": 3, "delay": 60}), "b"],
        Script(outcomes={"a": "failed"}, takes={"a": 0.1}),
        "a",
        "a=cancelled b=not_started",
    ),
    (
        "nor a scope that waits to be",
        [sequential("s", "a", retry={"attempts": 3, "delay": 60}, finally_=tasks("f"))],
        Script(outcomes={"a": "failed"}, takes={"a": 0.1}),
        "a f",
        "s=cancelled f=success",
    ),
    ("a lost one is not run again", ["a"], Script(stubborn={"a"}, outcomes={"a": "rerun"}), "a", "a=lost"),
    ("a sleep", [step("sleep", "z", duration="1h"), "a"], Script(), "", "z=cancelled a=not_started"),
    ("a pause", [step("pause", "z", duration="1h", inputs=[]), "a"], Script(), "", "z=cancelled a=not_started"),
    ("a person", [step("pause", "z")], Script(), "", "z=cancelled"),
    ("a subflow", [step("subflow", "z", flow="other"), "a"], Script(), "z", "z=cancelled a=not_started"),
    ("what waits for a lock", [task("a", lock="k")], Script(locked={"k": 60}), "", "a=not_started"),
    (
        "a scope that waits for a lock",
        [sequential("s", "a", lock="k", finally_=tasks("f"))],
        Script(locked={"k": 60}),
        "",
        "s=not_started f=-",
    ),
    (
        "iterations",
        [foreach("f", "a b", items=[1, 2, 3], concurrency=2, finally_=tasks("g"))],
        Script(),
        "f[0]/a f[1]/a g",
        "f=cancelled f[0]/a=cancelled f[0]/b=not_started f[2]/a=- g=success",
    ),
    (
        "targets that wait for their lock",
        [fleet("f", "a", lock="k{{ key }}")],
        Script(locked={":f[1]": 60}),
        "f[0]/a f[2]/a",
        "f=cancelled f[0]/a=cancelled f[1]/a=-",
    ),
    ("a loop", [repeat("r", "a")], Script(), "r[0]/a", "r=cancelled r[0]/a=cancelled"),
    (
        "a loop between two rounds",
        [repeat("r", "a", every=60)],
        Script(takes={"a": 0.1}, answers={"": {"until": False}}),
        "r[0]/a",
        "r=cancelled r[0]/a=success",
    ),
    (
        "deep down",
        [parallel("p", sequential("s", foreach("f", sequential("t", "a", finally_=tasks("g")), items=[1])))],
        Script(),
        "f[0]/a f[0]/g",
        "p=cancelled s=cancelled f=cancelled f[0]/t=cancelled f[0]/g=success",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("steps", "script", "ran", "expected"), [c[1:] for c in CANCEL], ids=[c[0] for c in CANCEL])
def test_cancel(steps: list[Step | str], script: Script, ran: str, expected: str) -> None:
    world = prepare(*steps, script=script).run(until=0.5).cancel()
    world.cancel()
    world.go_on()
    ids = " ".join(one.partition("=")[0] for one in expected.split())
    assert (world.ran(), states(world, ids)) == (ran, expected)
    assert not world.held_locks()
    assert all(frame.ended for frame in world.frames.values())


def test_a_cancelled_execution_is_cancelled_and_its_finally_has_run() -> None:
    flow = {"finally": tasks("f g"), "errors": tasks("e")}
    world = prepare("a", flow=flow).run(until=0.5).cancel().go_on(until=0.8)
    world.cancel()
    assert (world.go_on().state, world.ran()) == ("cancelled", "a f g")


def test_cancel_before_anything_has_begun() -> None:
    world = prepare("a", flow={"timeout": "{{ t }}", "finally": tasks("f")})
    world.feed("", Start())
    world.pending.clear()
    world.feed("", Cancel())
    world.feed("", Evaluated("", "enter", {"timeout": 5}))
    assert (world.state, world.ran()) == ("cancelled", "")


def test_cancel_of_what_has_ended_or_never_began_changes_nothing() -> None:
    world = run("a")
    assert world.frames[""].apply(Cancel()) == []
    assert prepare("a").program.frames[""].nodes
    world = prepare("a")
    world.feed("", Cancel())
    assert world.finish is None


# --- timeouts

TIMEOUT: list[tuple[str, list[Step | str], dict[str, Any], Script, str, str]] = [
    # name, steps, keys of the flow, script, what runs, states
    ("in time", [sequential("s", "a b", timeout=5), "z"], {}, Script(), "a b z", "s=success"),
    ("too late", [sequential("s", "a b", timeout=1.5), "z"], {}, Script(), "a b", "s=failed b=cancelled z=not_started"),
    (
        "errors and finally run, without its limit",
        [sequential("s", "a", timeout=0.5, errors=tasks("e"), finally_=tasks("f"))],
        {},
        Script(),
        "a e f",
        "s=failed a=cancelled e=success f=success",
    ),
    (
        "recovered",
        [sequential("s", "a", timeout=0.5, recover=True, errors=tasks("e")), "z"],
        {},
        Script(),
        "a e z",
        "s=success",
    ),
    ("of the flow", ["a b"], {"timeout": 1.5, "errors": tasks("e")}, Script(), "a b e", "b=cancelled e=success"),
    (
        "waits count",
        [sequential("s", step("sleep", "z", duration=60), timeout=5)],
        {},
        Script(),
        "",
        "s=failed z=cancelled",
    ),
    (
        "so does the wait for the next round, and there is none after it",
        [sequential("s", "a", timeout=5, retry={"attempts": 9, "delay": 60})],
        {},
        Script(outcomes={"a": "failed"}),
        "a",
        "s=failed a=failed",
    ),
    (
        "all rounds together",
        [sequential("s", "a", timeout=2.5, retry={"attempts": 9})],
        {},
        Script(outcomes={"a": "failed"}),
        "a a#2 a#3",
        "s=failed a=cancelled",
    ),
    (
        "the time for finally",
        [sequential("s", "a", finally_=tasks("f g"), finally_timeout=1.5), "z"],
        {},
        Script(),
        "a f g",
        "s=failed f=success g=cancelled z=not_started",
    ),
    (
        "finally runs even if errors took all the time",
        [sequential("s", "a", errors=tasks("e"), finally_=tasks("f"), finally_timeout=1.5, recover=True)],
        {},
        Script(outcomes={"a": "failed"}, takes={"e": 60}),
        "a e f",
        "s=failed e=cancelled f=success",
    ),
    (
        "iterations",
        [foreach("f", "a b", items=[1, 2], timeout=1.5)],
        {},
        Script(),
        "f[0]/a f[0]/b",
        "f=failed f[0]/b=cancelled f[1]/a=-",
    ),
    (
        "rendered",
        [sequential("s", "a", timeout="{{ t }}")],
        {},
        Script(answers={"s": {"timeout": "500ms"}}),
        "a",
        "s=failed",
    ),
    ("a subflow", [step("subflow", "x", flow="other", timeout=0.5)], {}, Script(), "x", "x=failed"),
    (
        "a subflow again",
        [step("subflow", "x", flow="other", timeout=0.5, retry={"attempts": 2})],
        {},
        Script(),
        "x x!",
        "x=failed",
    ),
    ("a sleep", [step("sleep", "x", duration=60, timeout=5)], {}, Script(), "", "x=failed"),
    ("a pause", [step("pause", "x", timeout=5)], {}, Script(persons={"x": None}), "", "x=failed"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("steps", "flow", "script", "ran", "expected"), [c[1:] for c in TIMEOUT], ids=[c[0] for c in TIMEOUT]
)
def test_timeouts(steps: list[Step | str], flow: dict[str, Any], script: Script, ran: str, expected: str) -> None:
    world = run(*steps, script=script, flow=flow)
    ids = " ".join(one.partition("=")[0] for one in expected.split())
    assert (world.ran(), states(world, ids)) == (ran, expected)
    if "failed" in expected and script.outcomes.get("a") != "failed":
        assert world.problem == "timeout"


def test_a_timeout_never_hides_an_error_that_came_first() -> None:
    world = run(parallel("p", "a b", timeout=5), script=Script(takes={"b": 60}), a="failed")
    assert (world.problem, world.now) == ("Boom", 5)


def test_children_are_stopped_with_the_reason() -> None:
    world = prepare(sequential("s", "a", timeout=0.5))
    stops: list[Any] = []
    world.watch = lambda _, one: stops.append(one) if isinstance(one, Stop) else None
    world.run()
    assert stops == [Stop("a", "timeout")]


def test_a_timer_that_comes_too_late_changes_nothing() -> None:
    world = run(sequential("s", "a", timeout=5, finally_=tasks("f")), task("b", retry={"attempts": 2, "delay": 5}))
    before = world.frames[""].snapshot()
    for node, name in (("s", "timeout"), ("s", "finally"), ("b", "retry"), ("s", "wait"), ("x", "sleep")):
        assert world.frames[""].apply(TimerFired(node, name)) == []  # type: ignore[arg-type]
    assert world.frames[""].snapshot() == before


# --- exit

EXIT: list[tuple[str, list[Step | str], str, str]] = [
    # name, steps with the exit `x`, what runs, states
    ("nothing after it", ["a", step("exit", "x"), "b"], "a", "x=success b=not_started"),
    ("in a scope", [sequential("s", step("exit", "x"), "b"), "c"], "", "s=success b=not_started c=not_started"),
    (
        "finally runs, errors do not",
        [sequential("s", step("exit", "x", state="failed"), errors=tasks("e"), finally_=tasks("f")), "c"],
        "f",
        "s=failed e=- f=success c=not_started",
    ),
    (
        "what runs beside it is stopped",
        [
            parallel(
                "p", "a", sequential("s", step("sleep", "y", duration=0.5), step("exit", "x")), "b", concurrency=2
            ),
            "c",
        ],
        "a",
        "p=cancelled a=cancelled x=success b=not_started c=not_started",
    ),
    (
        "out of an iteration",
        [foreach("f", "a", step("exit", "x"), "b", items=[1, 2], finally_=tasks("g")), "c"],
        "f[0]/a g",
        "f=success f[0]/b=not_started f[1]/a=- c=not_started",
    ),
    (
        "out of iterations in iterations",
        [foreach("f", fleet("g", "a", step("exit", "x")), items=[1, 2], concurrency=2), "c"],
        "g[0]/a f[1]/g[0]/a f[1]/g[1]/a",
        "c=not_started",
    ),
    ("out of a loop", [repeat("r", step("exit", "x"), "a"), "c"], "", "r=success r[0]/a=not_started c=not_started"),
]


@pytest.mark.parametrize(("steps", "ran", "expected"), [c[1:] for c in EXIT if "in iterations" not in c[0]])
def test_exit_ends_the_execution(steps: list[Step | str], ran: str, expected: str) -> None:
    world = run(*steps)
    ids = " ".join(one.partition("=")[0] for one in expected.split())
    assert (world.ran(), states(world, ids)) == (ran, expected)
    assert world.state is (State.FAILED if "failed" in str(steps) else State.SUCCESS)


def test_exit_out_of_iterations_in_iterations() -> None:
    inner = fleet("g", "a", step("exit", "x", state="warning", message="enough"), max_parallel=1)
    world = run(foreach("f", inner, items=[1, 2], concurrency=1), "c", flow={"finally": tasks("z")})
    assert (world.ran(), world.state) == ("f[0]/g[0]/a z", "warning")
    assert world.finish == Finish(State.WARNING, Problem("exit", "enough", "x", retryable=False), exit=True)


@pytest.mark.parametrize("state", ["success", "warning", "failed", "cancelled"])
def test_exit_chooses_the_state_and_the_flow_is_not_tried_again(state: str) -> None:
    flow = {"retry": {"attempts": 3}, "errors": tasks("e"), "finally": tasks("f")}
    world = run("a", step("exit", "x", state=state, message="why"), flow=flow)
    assert (world.ran(), world.state, world.problem) == ("a f", state, "exit")


def test_the_first_exit_counts() -> None:
    world = run(parallel("p", step("exit", "x", state="warning"), step("exit", "y", state="failed")))
    assert (world.state, states(world, "x y")) == ("warning", "x=warning y=not_started")


def test_a_finally_that_fails_after_an_exit_fails_the_execution() -> None:
    world = run(sequential("s", step("exit", "x"), finally_=tasks("f")), f="failed")
    assert (world.state, world.problem) == ("failed", "Boom")


def test_an_exit_in_a_finally_lets_the_finally_go_on() -> None:
    world = run(sequential("s", "a", finally_=[step("exit", "x", state="warning"), task("f")]), "b")
    assert (world.ran(), world.state, states(world, "b")) == ("a f", "warning", "b=not_started")


def test_a_restart_after_an_exit_that_failed_comes_to_the_exit_again() -> None:
    world = run("a", step("exit", "x", state="failed", when="w"), "b")
    world.script.answers["x"] = {"when": False}
    world.restart()
    assert (world.ran(), world.state) == ("b", "success")
