"""What follows a failure: `errors`, `finally`, `recover`, `allow_failure`, `retry`, and what was lost."""

from __future__ import annotations

from typing import Any

import pytest

from rota.executions.models import Problem, Run, SetTimer, State
from tests.core.executions.interpreter.steps import (
    FINAL,
    Step,
    foreach,
    parallel,
    prepare,
    run,
    sequential,
    states,
    step,
    task,
    tasks,
)
from tests.core.executions.interpreter.world import Outcome, Script

E, F, FAIL = tasks("e"), tasks("f"), "failed"
Outcomes = dict[str, Outcome | list[Outcome]]

ENDS: list[tuple[str, dict[str, Any], Outcomes, str, str]] = [
    # name, keys of the scope `s` with the task `a`, outcomes, what runs (with `z` after it), the state of `s`
    ("all is well", {"errors": E, "finally": F}, {}, "a f z", "success"),
    ("a failure", {"errors": E, "finally": F}, {"a": "failed"}, "a e f", "failed"),
    ("a loss is a failure", {"errors": E, "finally": F}, {"a": "lost"}, "a e f", "failed"),
    ("a cancelled child is none", {"errors": E, "finally": F}, {"a": "cancelled"}, "a f", "cancelled"),
    ("recovered", {"errors": E, "finally": F, "recover": True}, {"a": "failed"}, "a e f z", "success"),
    ("recovered without errors", {"recover": True}, {"a": "failed"}, "a z", "success"),
    ("errors fail too", {"errors": E, "finally": F, "recover": True}, {"a": FAIL, "e": FAIL}, "a e f", "failed"),
    ("finally fails", {"finally": F}, {"f": "failed"}, "a f", "failed"),
    ("finally warns", {"finally": F}, {"f": "warning"}, "a f z", "warning"),
    ("finally is cancelled", {"finally": F}, {"f": "cancelled"}, "a f", "cancelled"),
    ("recovered in vain", {"errors": E, "finally": F, "recover": True}, {"a": FAIL, "f": FAIL}, "a e f", "failed"),
    ("a list in finally", {"finally": tasks("f g")}, {"f": "failed"}, "a f", "failed"),
    ("a list in errors", {"errors": tasks("e g"), "finally": F}, {"a": "failed", "e": "failed"}, "a e f", "failed"),
    ("allowed", {"errors": E, "finally": F, "allow_failure": True}, {"a": "failed"}, "a e f z", "warning"),
    ("finally allowed to fail", {"finally": [task("f", allow_failure=True)]}, {"f": "failed"}, "a f z", "warning"),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "outcomes", "ran", "state"), [c[1:] for c in ENDS], ids=[c[0] for c in ENDS])
@pytest.mark.parametrize("kind", ["sequential", "parallel", "if", "switch"])
def test_errors_and_finally(kind: str, keys: dict[str, Any], outcomes: Outcomes, ran: str, state: str) -> None:
    bodies: dict[str, dict[str, Any]] = {
        "if": {"condition": True, "then": tasks("a")},
        "switch": {"value": "x", "cases": {"x": tasks("a")}},
    }
    scope = {"id": "s", "type": kind, **bodies.get(kind, {"tasks": tasks("a")}), **keys}
    world = run(scope, "z", script=Script(outcomes=dict(outcomes)))
    assert (world.ran(), states(world, "s")) == (ran, f"s={state}")


@pytest.mark.parametrize(("keys", "outcomes", "ran", "state"), [c[1:] for c in ENDS], ids=[c[0] for c in ENDS])
@pytest.mark.parametrize("kind", ["foreach", "fleet", "repeat"])
def test_errors_and_finally_run_once_for_all_iterations(
    kind: str, keys: dict[str, Any], outcomes: Outcomes, ran: str, state: str
) -> None:
    bodies: dict[str, dict[str, Any]] = {
        "foreach": {"items": [1]},
        "fleet": {"targets": [1]},
        "repeat": {"until": True, "max_iterations": 2},
    }
    scope = {"id": "s", "type": kind, "tasks": tasks("a"), **bodies[kind], **keys}
    world = run(scope, "z", script=Script(outcomes=dict(outcomes)))
    assert (world.ran(), states(world, "s")) == (ran.replace("a", "s[0]/a", 1), f"s={state}")


@pytest.mark.parametrize(
    ("keys", "outcomes", "ran", "state"), [c[1:] for c in ENDS[:10]], ids=[c[0] for c in ENDS[:10]]
)
def test_errors_and_finally_of_the_flow(keys: dict[str, Any], outcomes: Outcomes, ran: str, state: str) -> None:
    if "recover" in keys:
        return
    world = run("a", script=Script(outcomes=dict(outcomes)), flow=keys)
    assert (world.ran(), world.state) == (ran.removesuffix(" z"), state)


def test_the_first_error_is_never_hidden() -> None:
    scope = sequential("s", "a", errors=tasks("e"), finally_=tasks("f"))
    world = run(scope, flow={"finally": tasks("g")}, a="failed", e=FINAL, f=FINAL, g=FINAL)
    assert world.finish is not None
    assert world.finish.problem == Problem("Boom", "a failed", "a")


def test_the_error_of_finally_is_that_of_the_scope_if_it_is_the_only_one() -> None:
    world = run(sequential("s", "a", finally_=tasks("f")), f="failed")
    assert world.finish is not None
    assert world.finish.problem == Problem("Boom", "f failed", "f")


def test_children_in_errors_and_finally_are_urgent() -> None:
    inner = foreach("i", "x", items=[1])
    world = prepare("a", flow={"errors": [sequential("s", "e")], "finally": [inner]}, a="failed")
    urgent = {}
    world.watch = lambda _, one: urgent.update({one.node: one.urgent}) if isinstance(one, Run) else None
    world.run()
    assert urgent == {"a": False, "e": True, "x": True}


def test_finally_does_not_run_where_the_scope_has_not_started() -> None:
    scope = sequential("s", "b", finally_=tasks("f"))
    world = run("a", scope, a="failed")
    assert (world.ran(), states(world, "s f")) == ("a", "s=not_started f=-")


def test_errors_with_a_scope_that_fails_inside_finally() -> None:
    inner = sequential("t", "x y", finally_=tasks("g"))
    world = run(sequential("s", "a", finally_=[inner, task("h")]), x="failed")
    assert (world.ran(), states(world, "s t y h")) == ("a x g", "s=failed t=failed y=not_started h=not_started")


RETRY: list[tuple[str, dict[str, Any], list[Outcome], int, str, float]] = [
    # name, retry, outcomes, attempts, state, time
    ("at once", {"attempts": 3}, ["failed", "failed", "success"], 3, "success", 3),
    ("so often and no more", {"attempts": 3}, ["failed"], 3, "failed", 3),
    ("one attempt is none again", {"attempts": 1}, ["failed"], 1, "failed", 1),
    ("after a wait", {"attempts": 3, "delay": "10s"}, ["failed"], 3, "failed", 23),
    ("longer each time", {"attempts": 4, "delay": 10, "backoff": "exponential"}, ["failed"], 4, "failed", 74),
    ("by a factor", {"attempts": 3, "delay": 10, "backoff": "exponential", "factor": 3}, ["failed"], 3, "failed", 43),
    ("not too long", {"attempts": 3, "delay": 10, "backoff": "exponential", "max_delay": 15}, [FAIL], 3, "failed", 28),
    ("never what cannot get better", {"attempts": 3}, [FINAL], 1, "failed", 1),
    ("only some errors", {"attempts": 3, "on": ["Boom"]}, ["failed", FINAL], 2, "failed", 2),
    ("not others", {"attempts": 3, "on": ["timeout"]}, ["failed"], 1, "failed", 1),
    ("timeouts", {"attempts": 3, "on": ["timeout"]}, [Problem("timeout", "too long"), "success"], 2, "success", 2),
    ("what was lost", {"attempts": 3}, ["lost", "success"], 2, "success", 2),
    ("what was lost, by name", {"attempts": 3, "on": ["lost"]}, ["lost", "success"], 2, "success", 2),
    ("not what was lost", {"attempts": 3, "on": ["timeout"]}, ["lost"], 1, "lost", 1),
    ("never what was lost twice", {"attempts": 5}, ["lost", "lost"], 2, "failed", 2),
    ("a cancelled task is not tried again", {"attempts": 3}, ["cancelled"], 1, "cancelled", 1),
    ("rendered", {"attempts": "{{ n }}", "delay": "{{ d }}"}, ["failed"], 2, "failed", 7),
]  # fmt: skip


@pytest.mark.parametrize(
    ("retry", "outcomes", "attempts", "state", "time"), [c[1:] for c in RETRY], ids=[c[0] for c in RETRY]
)
def test_retry_of_a_task(
    retry: dict[str, Any], outcomes: list[Outcome], attempts: int, state: str, time: float
) -> None:
    script = Script(outcomes={"a": outcomes}, answers={"a": {"retry": {"attempts": 2, "delay": "5s"}}})
    world = run(task("a", retry=retry), script=script)
    assert world.starts == [f"a#{number}" for number in range(1, attempts + 1)]
    assert (states(world, "a"), world.now) == (f"a={state}", time)


def test_a_task_that_waits_to_be_tried_again_is_retrying_and_its_jitter_is_handed_on() -> None:
    world = prepare(task("a", retry={"attempts": 2, "delay": 10, "jitter": 0.2}), a=["failed", "success"])
    timers: list[SetTimer] = []
    world.watch = lambda _, one: timers.append(one) if isinstance(one, SetTimer) else None
    world.run(until=5)
    assert (states(world, "a"), timers) == ("a=retrying", [SetTimer("a", "retry", 10.0, 0.2)])
    assert world.go_on().state is State.SUCCESS


def test_a_failing_sibling_leaves_a_task_that_is_being_retried_to_its_own_end() -> None:
    world = run(parallel("p", task("a", retry={"attempts": 2, "delay": 10}), "b"), a=["failed", "success"], b="failed")
    assert (world.ran(), states(world, "a b")) == ("a b a#2", "a=success b=failed")


ROUNDS: list[tuple[str, list[Step | str], Outcomes, str, str]] = [
    (
        "goes on where it failed",
        [sequential("s", "a b c", retry={"attempts": 2})],
        {"b": ["failed", "success"]},
        "a b b#2 c",
        "success",
    ),
    (
        "errors and finally once, after the last",
        [sequential("s", "a b", retry={"attempts": 3}, errors=tasks("e"), finally_=tasks("f"))],
        {"b": "failed"},
        "a b b#2 b#3 e f",
        "failed",
    ),
    (
        "from its top where it says so",
        [sequential("s", "a b", retry={"attempts": 2}, restart="all")],
        {"b": ["failed", "success"]},
        "a b a#2 b#2",
        "success",
    ),
    (
        "not what cannot get better",
        [sequential("s", "a b", retry={"attempts": 3})],
        {"b": FINAL},
        "a b",
        "failed",
    ),
    (
        "a parallel runs what did not succeed, and what needs it",
        [parallel("p", "a b", task("c", needs=["b"]), task("d", needs=["a"]), fail_fast=False, retry={"attempts": 2})],
        {"b": ["failed", "success"]},
        "a b d b#2 c",
        "success",
    ),
    (
        "the branch that was chosen",
        [step("if", "i", condition="x", then=tasks("a b"), retry={"attempts": 2})],
        {"b": ["failed", "success"]},
        "a b b#2",
        "success",
    ),
    (
        "the iterations that failed",
        [foreach("f", "a", items=[1, 2, 3], concurrency=3, retry={"attempts": 2})],
        {"f[1]/a": ["failed", "success"]},
        "f[0]/a f[1]/a f[2]/a f[1]/a#2",
        "success",
    ),
    (
        "scopes in scopes",
        [sequential("s", sequential("t", "a b", retry={"attempts": 2}), "c", retry={"attempts": 2})],
        {"b": ["failed", "failed", "failed", "success"], "c": "success"},
        "a b b#2 b#3 b#4 c",
        "success",
    ),
    (
        "retries of a task count anew in each round",
        [sequential("s", task("a", retry={"attempts": 2}), retry={"attempts": 2})],
        {"a": "failed"},
        "a a#2 a#3 a#4",
        "failed",
    ),
]


@pytest.mark.parametrize(("steps", "outcomes", "ran", "state"), [c[1:] for c in ROUNDS], ids=[c[0] for c in ROUNDS])
def test_retry_of_a_scope(steps: list[Step | str], outcomes: Outcomes, ran: str, state: str) -> None:
    world = run(*steps, script=Script(outcomes=dict(outcomes)))
    assert (world.ran(), world.state) == (ran, state)


def test_retry_of_the_flow_goes_on_after_a_wait_and_has_its_finally_last() -> None:
    flow = {"retry": {"attempts": 2, "delay": "1m"}, "errors": tasks("e"), "finally": tasks("f")}
    world = run("a b", flow=flow, b=["failed", "success"])
    assert (world.ran(), world.state, world.now) == ("a b b#2 f", "success", 64)


LOST: list[tuple[str, dict[str, Any], list[Outcome], int, str]] = [
    ("not idempotent", {}, ["lost"], 1, "lost"),
    ("idempotent", {}, ["rerun", "success"], 2, "success"),
    ("told to run again", {"on_lost": "retry"}, ["lost", "success"], 2, "success"),
    ("told not to", {"on_lost": "fail"}, ["rerun"], 1, "lost"),
    ("told not to, whatever retry says", {"on_lost": "fail", "retry": {"attempts": 3}}, ["lost"], 1, "lost"),
    ("twice", {"on_lost": "retry"}, ["lost", "lost"], 2, "failed"),
    ("twice, idempotent", {}, ["rerun", "rerun"], 2, "failed"),
    ("a rerun is no attempt that counts", {"retry": {"attempts": 2}}, ["rerun", "failed", "success"], 3, "success"),
    ("allowed to fail", {"allow_failure": True}, ["lost"], 1, "warning"),
]


@pytest.mark.parametrize(("keys", "outcomes", "attempts", "state"), [c[1:] for c in LOST], ids=[c[0] for c in LOST])
def test_a_lost_task(keys: dict[str, Any], outcomes: list[Outcome], attempts: int, state: str) -> None:
    world = run(task("a", **keys), script=Script(outcomes={"a": outcomes}))
    assert (len(world.starts), states(world, "a")) == (attempts, f"a={state}")


def test_losses_count_over_the_rounds_of_a_scope_but_not_over_a_restart_by_a_person() -> None:
    world = run(sequential("s", "a", retry={"attempts": 4}), a=["rerun", "failed", "rerun", "rerun", "success"])
    assert (world.ran(), states(world, "a s")) == ("a a#2 a#3", "a=failed s=failed")
    assert world.restart().state is State.SUCCESS
    assert world.ran() == "a#4 a#5"


def test_fail_fails_with_its_message_and_can_be_retried() -> None:
    world = run(step("fail", "x", message="no backup today", retry={"attempts": 2, "delay": 5}), "a")
    assert (world.ran(), world.state, world.problem, world.now) == ("", "failed", "fail", 5)
    world = run(step("fail", "x", message="{{ m }}"), script=Script(answers={"x": {"message": "why not"}}))
    assert world.finish is not None
    assert world.finish.problem == Problem("fail", "why not", "x")
