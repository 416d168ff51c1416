"""Iterations without batches: `foreach` and `repeat`."""

from __future__ import annotations

from typing import Any

import pytest

from rota.executions.models import Evaluate, Finish, Problem, State
from tests.core.executions.interpreter.steps import (
    Step,
    foreach,
    parallel,
    prepare,
    repeat,
    run,
    sequential,
    states,
    task,
)
from tests.core.executions.interpreter.world import Outcome, Script

Outcomes = dict[str, Outcome | list[Outcome]]
THREE = [1, 2, 3]

FOREACH: list[tuple[str, Step, Outcomes, str, str, str]] = [
    # name, the foreach `f` (with `z` after it), outcomes, what runs, state of `f`, problem
    ("one after the other", foreach("f", "a", items=THREE), {}, "f[0]/a f[1]/a f[2]/a z", "success", ""),
    ("nothing", foreach("f", "a", items=[]), {}, "z", "success", ""),
    ("no tasks", foreach("f", items=THREE), {}, "z", "success", ""),
    (
        "two at a time",
        foreach("f", "a b", items=THREE, concurrency=2),
        {},
        "f[0]/a f[1]/a f[0]/b f[1]/b f[2]/a f[2]/b z",
        "success",
        "",
    ),
    (
        "the first failure ends it",
        foreach("f", "a b", items=THREE),
        {"f[1]/a": "failed"},
        "f[0]/a f[0]/b f[1]/a",
        "failed",
        "Boom",
    ),
    (
        "what has started goes to its end",
        foreach("f", "a b", items=THREE, concurrency=2),
        {"f[0]/a": "failed"},
        "f[0]/a f[1]/a f[1]/b",
        "failed",
        "Boom",
    ),
    (
        "failures within the limit",
        foreach("f", "a", items=THREE, max_failures=1),
        {"f[0]/a": "failed"},
        "f[0]/a f[1]/a f[2]/a z",
        "warning",
        "",
    ),
    (
        "failures beyond the limit",
        foreach("f", "a", items=[1, 2, 3, 4], max_failures=1),
        {"a": "failed"},
        "f[0]/a f[1]/a",
        "failed",
        "breach",
    ),
    (
        "a percentage",
        foreach("f", "a", items=[1, 2, 3, 4], max_failures="50%"),
        {"a": "failed"},
        "f[0]/a f[1]/a f[2]/a",
        "failed",
        "breach",
    ),
    ("a loss counts", foreach("f", "a", items=THREE), {"a": "lost"}, "f[0]/a", "failed", "lost"),
    (
        "a cancelled iteration does not",
        foreach("f", "a", items=THREE),
        {"f[0]/a": "cancelled"},
        "f[0]/a f[1]/a f[2]/a",
        "cancelled",
        "",
    ),
    ("a warning", foreach("f", "a", items=THREE), {"f[0]/a": "warning"}, "f[0]/a f[1]/a f[2]/a z", "warning", ""),
    (
        "allowed to fail",
        foreach("f", task("a", allow_failure=True), items=THREE),
        {"a": "failed"},
        "f[0]/a f[1]/a f[2]/a z",
        "warning",
        "",
    ),
    (
        "nested",
        foreach("f", foreach("g", "a", items=[1, 2]), items=[1, 2]),
        {"f[1]/g[0]/a": "failed"},
        "f[0]/g[0]/a f[0]/g[1]/a f[1]/g[0]/a",
        "failed",
        "Boom",
    ),
    (
        "with finally in each iteration",
        foreach("f", sequential("s", "a", finally_=[task("g")]), items=[1, 2], max_failures=2),
        {"a": "failed"},
        "f[0]/a f[0]/g f[1]/a f[1]/g z",
        "warning",
        "",
    ),
]


@pytest.mark.parametrize(
    ("each", "outcomes", "ran", "state", "problem"), [c[1:] for c in FOREACH], ids=[c[0] for c in FOREACH]
)
def test_foreach(each: Step, outcomes: Outcomes, ran: str, state: str, problem: str) -> None:
    world = run(each, "z", script=Script(outcomes=dict(outcomes)))
    assert (world.ran(), states(world, "f"), world.problem) == (ran, f"f={state}", problem)


def test_iterations_in_which_nothing_has_begun_are_withdrawn_with_all_that_they_wait_for() -> None:
    each = foreach("f", task("a", lock="k{{ index }}"), "b", items=[1, 2, 3, 4], concurrency=3)
    script = Script(workers=1, answers={"f[2]/a": {"lock": "busy"}}, locked={"busy": 60})
    script.outcomes["f[0]/a"] = "failed"
    world = run(each, script=script)
    assert world.ran() == "f[0]/a"
    assert states(world, "f[0]/ f[1]/ f[2]/ f[3]/") == "f[0]/=failed f[1]/=not_started f[2]/=not_started f[3]/=-"
    assert world.ended_at == 1


def test_nothing_runs_in_an_iteration_that_is_withdrawn_inside_scopes_with_finally() -> None:
    inner = sequential("s", parallel("p", "a"), finally_=[task("g")])
    world = run(foreach("f", inner, items=THREE, concurrency=3), script=Script({"f[0]/a": "failed"}, workers=1))
    assert world.ran() == "f[0]/a f[0]/g"
    assert states(world, "f[1]/ f[1]/s f[1]/p f[1]/a f[1]/g") == (
        "f[1]/=not_started f[1]/s=not_started f[1]/p=not_started f[1]/a=not_started f[1]/g=-"
    )


def test_rendered_limits_count_and_wrong_ones_fail() -> None:
    each = foreach("f", "a", items=THREE, concurrency="{{ n }}", max_failures="{{ m }}")
    script = Script(answers={"f": {"max_parallel": 3, "max_failures": "70%"}}, outcomes={"a": "failed"})
    assert states(run(each, script=script), "f") == "f=failed"
    script.outcomes = {"f[0]/a": "failed", "f[1]/a": "failed"}
    world = run(each, script=script)
    assert (states(world, "f"), world.now) == ("f=warning", 1)
    script.answers["f"]["max_failures"] = "many"
    world = run(each, script=script)
    assert (world.ran(), world.problem) == ("", "template")


def test_a_list_that_cannot_be_had_fails_the_scope_and_its_errors_run() -> None:
    broken = Script(broken={"f": Problem("template", "`xs` is undefined", retryable=False)})
    world = run(foreach("f", "a", errors=[task("e")]), script=broken)
    assert (world.ran(), world.problem) == ("e", "template")


def test_columns_are_read_at_the_end_of_each_iteration_leniently_where_it_did_not_succeed() -> None:
    each = foreach("f", "a", items=[1, 2], concurrency=2, max_failures=1, collect={"x": "outputs.a.x"})
    world = prepare(each, script=Script(outcomes={"f[1]/a": "failed"}))
    asked = []
    world.watch = lambda path, one: asked.append((path, one)) if isinstance(one, Evaluate) and path else None
    world.run()
    assert asked == [("f[0]", Evaluate("", "end")), ("f[1]", Evaluate("", "end", lenient=True))]
    assert world.program.frames["f"].root.expressions("end") == {"collect": {"x": "outputs.a.x"}}


def test_an_iteration_whose_columns_cannot_be_read_has_failed() -> None:
    each = foreach("f", "a", items=[1, 2], max_failures=1, collect={"x": "outputs.a.x"})
    world = run(each, script=Script(broken={"f[0]/": Problem("template", "no `x`")}))
    assert states(world, "f[0]/ f[1]/ f") == "f[0]/=failed f[1]/=success f=warning"


def test_the_place_where_an_error_came_from_stays_with_it() -> None:
    problem = Problem("Boom", "no space", "f[1]/a", "db-17", 3)
    world = run(foreach("f", "a", items=THREE), script=Script({"f[1]/a": problem}))
    assert world.finish == Finish(State.FAILED, problem)


REPEAT: list[tuple[str, dict[str, Any], list[bool], Outcomes, int, str, float, str]] = [
    # name, keys, until, outcomes, iterations, state, time, problem
    ("until it is true", {}, [False, False, True], {}, 3, "success", 3, ""),
    ("at once", {}, [True], {}, 1, "success", 1, ""),
    ("literally", {"until": True}, [], {}, 1, "success", 1, ""),
    ("never", {"until": False, "max_iterations": 3}, [], {}, 3, "failed", 3, "repeat"),
    ("not often enough", {"max_iterations": 2}, [False, False, True], {}, 2, "failed", 2, "repeat"),
    ("with waits", {"every": "10s"}, [False, False, True], {}, 3, "success", 23, ""),
    ("a failure ends it", {}, [False] * 3, {"r[1]/a": "failed"}, 2, "failed", 2, "Boom"),
    ("a cancelled task ends it", {}, [False] * 3, {"r[1]/a": "cancelled"}, 2, "cancelled", 2, ""),
    ("a warning", {}, [False, True], {"r[0]/a": "warning"}, 2, "warning", 2, ""),
    ("too long", {"max_duration": 12.5, "every": 5}, [False] * 9, {}, 3, "failed", 12.5, "timeout"),
    ("too long between two", {"max_duration": 8, "every": 5}, [False] * 9, {}, 2, "failed", 8, "timeout"),
    ("in time", {"max_duration": 60}, [False, True], {}, 2, "success", 2, ""),
    ("again", {"retry": {"attempts": 2}}, [False, True], {"r[1]/a": ["failed", "success"]}, 3, "success", 3, ""),
    ("rendered", {"every": "{{ e }}", "max_iterations": "{{ m }}"}, [False] * 9, {}, 2, "failed", 5, "repeat"),
    ("rendered wrongly", {"every": "{{ e }}"}, [True], {}, 0, "failed", 0, "template"),
]


@pytest.mark.parametrize(
    ("keys", "until", "outcomes", "iterations", "state", "time", "problem"),
    [c[1:] for c in REPEAT],
    ids=[c[0] for c in REPEAT],
)
def test_repeat(
    keys: dict[str, Any],
    until: list[bool],
    outcomes: Outcomes,
    iterations: int,
    state: str,
    time: float,
    problem: str,
) -> None:
    values = {"every": "soon" if problem == "template" else "3s", "max_iterations": 2}
    answers: dict[str, dict[str, Any]] = {f"r[{at}]/": {"until": value} for at, value in enumerate(until)}
    world = run(repeat("r", "a", **keys), script=Script(outcomes=dict(outcomes), answers={**answers, "r": values}))
    assert (len(world.starts), states(world, "r"), world.now, world.problem) == (
        iterations,
        f"r={state}",
        time,
        problem,
    )


def test_an_until_that_gives_no_boolean_fails_the_iteration() -> None:
    world = run(repeat("r", "a"), script=Script(answers={"r[0]/": {"until": "yes"}}))
    assert (world.state, world.problem) == ("failed", "template")


def test_repeat_without_tasks_still_asks() -> None:
    world = run(repeat("r", every=60), script=Script(answers={"r[0]/": {"until": False}}))
    assert (world.state, world.now) == ("success", 60)
