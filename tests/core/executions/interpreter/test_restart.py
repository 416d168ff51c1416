"""What a restart runs, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import pytest

from rota.executions.models import Open, Restart, Start, State
from tests.core.executions.interpreter.steps import (
    FINAL,
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
from tests.core.executions.interpreter.world import Outcome, Script, World

Outcomes = dict[str, Outcome | list[Outcome]]

RESTART: list[tuple[str, list[Step | str], Outcomes, str, str]] = [
    # name, steps, outcomes, what runs first, what the restart runs (numbers of attempts left out)
    ("where it failed", ["a b c"], {"b": ["failed", "success"]}, "a b", "b c"),
    ("where it was lost", ["a b c"], {"b": ["lost", "success"]}, "a b", "b c"),
    ("where it was cancelled", ["a b c"], {"b": ["cancelled", "success"]}, "a b", "b c"),
    ("what was skipped stays so", [task("a", disabled=True), "b"], {"b": ["failed", "success"]}, "b", "b"),
    ("a warning stays", [task("a", allow_failure=True), "b"], {"a": FINAL, "b": ["failed", "success"]}, "a b", "b"),
    ("in a scope", [sequential("s", "a b"), "c"], {"b": ["failed", "success"]}, "a b", "b c"),
    (
        "from the top of a scope that says so",
        ["z", sequential("s", "a b", restart="all"), "c"],
        {"b": ["failed", "success"]},
        "z a b",
        "a b c",
    ),
    (
        "from the top of what is in it, too",
        [sequential("s", sequential("t", "a b"), "c", restart="all")],
        {"c": ["failed", "success"]},
        "a b c",
        "a b c",
    ),
    (
        "errors and finally again",
        [sequential("s", "a b", errors=tasks("e"), finally_=tasks("f"))],
        {"b": ["failed", "success"]},
        "a b e f",
        "b f",
    ),
    (
        "finally alone, if only that failed",
        [sequential("s", "a", finally_=tasks("f g")), "b"],
        {"f": ["failed", "success"]},
        "a f",
        "f g b",
    ),
    (
        "a recovered scope is a success",
        [sequential("s", "a", errors=tasks("e"), recover=True), "b"],
        {"a": FINAL, "b": ["failed", "success"]},
        "a e b",
        "b",
    ),
    (
        "a scope that was allowed to fail did not succeed",
        [sequential("s", "a", allow_failure=True), "b", "c"],
        {"a": ["failed", "success"], "c": ["failed", "success"]},
        "a b c",
        "a b c",
    ),
    (
        "in a parallel those that did not succeed",
        [parallel("p", "a b c", fail_fast=False), "d"],
        {"b": ["failed", "success"]},
        "a b c",
        "b d",
    ),
    (
        "and what needs them",
        [parallel("p", "a b", task("c", needs=["b"]), task("d", needs=["c"]), task("e", needs=["a"]), fail_fast=False)],
        {"b": ["failed", "success"]},
        "a b e",
        "b c d",
    ),
    (
        "even if that had succeeded",
        [
            parallel(
                "p",
                foreach("f", "x", items=[1, 2], max_failures=1),
                task("g", needs=["f"]),
                task("h", needs=["g"]),
                "a",
            ),
            "b",
        ],
        {"f[0]/x": ["failed", "success"], "b": ["failed", "success"]},
        "a f[0]/x f[1]/x g h b",
        "f[0]/x g h b",
    ),
    (
        "within its concurrency",
        [parallel("p", "a b c", fail_fast=False, concurrency=1), "d"],
        {"a": ["failed", "success"], "c": ["failed", "success"]},
        "a b c",
        "a c d",
    ),
    (
        "in the branch that was taken",
        [step("if", "i", condition="x", then=tasks("a b"))],
        {"b": ["failed", "success"]},
        "a b",
        "b",
    ),
    (
        "in the case that was taken",
        [step("switch", "w", value="x", cases={"x": tasks("a b")})],
        {"b": ["failed", "success"]},
        "a b",
        "b",
    ),
    (
        "the iterations that failed or never began",
        [foreach("f", "a b", items=[1, 2, 3]), "z"],
        {"f[1]/b": ["failed", "success"]},
        "f[0]/a f[0]/b f[1]/a f[1]/b",
        "f[1]/b f[2]/a f[2]/b z",
    ),
    (
        "the iteration of a loop that failed, and on from there",
        [repeat("r", "a b", max_iterations=3), "z"],
        {"r[1]/b": ["failed", "success"]},
        "r[0]/a r[0]/b r[1]/a r[1]/b",
        "r[1]/b z",
    ),
    (
        "deep down",
        [foreach("f", sequential("s", foreach("g", "a b", items=[1, 2])), items=[1, 2]), "z"],
        {"f[1]/g[0]/b": ["failed", "success"]},
        "f[0]/g[0]/a f[0]/g[0]/b f[0]/g[1]/a f[0]/g[1]/b f[1]/g[0]/a f[1]/g[0]/b",
        "f[1]/g[0]/b f[1]/g[1]/a f[1]/g[1]/b z",
    ),
]


@pytest.mark.parametrize(
    ("steps", "outcomes", "first", "second"), [c[1:] for c in RESTART], ids=[c[0] for c in RESTART]
)
def test_a_restart_runs(steps: list[Step | str], outcomes: Outcomes, first: str, second: str) -> None:
    answers: dict[str, dict[str, Any]] = {"r[0]/": {"until": False}}
    world = run(*steps, script=Script(outcomes=dict(outcomes), answers=answers))
    assert (world.ran(), world.state) == (first, "failed" if "cancelled" not in str(outcomes) else "cancelled")
    world.restart()
    assert " ".join(start.partition("#")[0] for start in world.starts) == second
    assert world.state in ("success", "warning")


def test_attempts_are_counted_on_and_retries_anew() -> None:
    world = run(task("a", retry={"attempts": 2}), a=["failed", "failed", "failed", "success"])
    assert world.ran() == "a a#2"
    assert (world.restart().state, world.ran()) == ("success", "a#3 a#4")


def test_everything_is_run_again_if_that_is_asked_for() -> None:
    world = run(sequential("s", "a b"), foreach("f", "x", items=[1, 2]), b=["failed", "success"])
    world.restart(Restart(everything=True))
    assert (world.ran(), world.state) == ("a#2 b#2 f[0]/x f[1]/x", "success")
    world.restart(Restart(everything=True))
    assert (world.ran(), world.state) == ("a#3 b#3 f[0]/x#2 f[1]/x#2", "success")


def test_a_list_after_a_task_that_runs_again_is_asked_for_anew() -> None:
    scope = sequential("s", "a", foreach("f", "x"), "b", restart="all")
    world = run(scope, script=Script(answers={"f": {"count": 3}}), b=["failed", "success"])
    world.script.answers["f"]["count"] = 2
    world.restart()
    assert world.ran() == "a#2 f[0]/x#2 f[1]/x#2 b#2"


def test_a_list_that_goes_on_is_not_asked_for_again() -> None:
    script = Script(outcomes={"f[1]/x": ["failed", "success"]}, answers={"f": {"count": 3}})
    world = run(foreach("f", "x"), script=script)
    world.script.answers["f"]["count"] = 99
    assert (world.restart().state, world.ran()) == ("success", "f[1]/x#2 f[2]/x")


def test_a_cancelled_execution_goes_on_where_it_was_cancelled() -> None:
    world = prepare("a b", fleet("f", "x", max_parallel=1)).run(until=3.5).cancel().go_on()
    assert (world.state, world.ran()) == ("cancelled", "a b f[0]/x f[1]/x")
    assert (world.restart().state, world.ran()) == ("success", "f[1]/x#2 f[2]/x")


def test_a_restart_of_what_runs_or_never_ran_changes_nothing() -> None:
    world = prepare("a")
    world.feed("", Restart())
    assert world.pending == []
    world.run(until=0.5)
    assert world.frames[""].apply(Restart()) == []
    assert world.frames[""].apply(Start()) == []


def test_a_restart_waits_for_its_locks_again() -> None:
    scope = sequential("s", "a b", lock="k")
    world = run(scope, b=["failed", "success"])
    world.script.locked["k"] = 60
    assert world.restart().state is State.SUCCESS
    assert (world.ran(), world.now) == ("b#2", 61)


# --- fleets


def failing(count: int, *indices: int) -> Script:
    outcomes: Outcomes = {f"f[{index}]/a": ["failed", "success"] for index in indices}
    return Script(answers={"f": {"count": count}}, outcomes=outcomes)


def opened(world: World) -> list[list[int]]:
    """The targets opened at each second of a restart."""
    found: dict[float, list[int]] = {}
    world.watch = lambda _, one: found.setdefault(world.now, []).append(one.index) if isinstance(one, Open) else None
    world.restart()
    return list(found.values())


def test_only_what_is_left_is_batched_anew_and_a_canary_that_succeeded_is_not_repeated() -> None:
    rollout = fleet("f", "a", canary=1, batch="20%", max_parallel=50, max_failures=4)
    world = run(rollout, script=failing(57, 20, 21, 22, 23, 24))
    assert len(world.starts) == 1 + 12 + 12
    assert opened(world) == [[20, 21, 22, 23, 24, *range(25, 32)], list(range(32, 44)), list(range(44, 56)), [56]]
    assert world.state == "success"


def test_a_canary_that_failed_is_repeated() -> None:
    world = run(fleet("f", "a", canary=2, batch=3, max_failures=5), script=failing(7, 1))
    assert world.ran() == "f[0]/a f[1]/a"
    assert opened(world) == [[1], [2, 3, 4], [5, 6]]


def test_failures_count_anew_over_the_same_total() -> None:
    script = failing(20, 0, 1, 2)
    script.outcomes.update({f"f[{index}]/a": "failed" for index in (3, 4)})
    world = run(fleet("f", "a", max_failures="10%", max_parallel=1), script=script)
    assert (world.ran(), world.state) == ("f[0]/a f[1]/a f[2]/a", "failed")
    world.restart()
    assert (len(world.starts), world.state) == (20, "warning")


def test_failures_within_the_limit_are_run_again_and_whatever_comes_after() -> None:
    world = run(fleet("f", "a", max_failures=2), "b", script=failing(5, 1, 3))
    assert (world.state, states(world, "f")) == ("warning", "f=warning")
    assert opened(world) == [[1, 3]]
    assert (world.ran(), world.state) == ("f[1]/a#2 f[3]/a#2 b#2", "success")


def test_picked_targets_are_run_alone_and_those_left_aside_still_count() -> None:
    world = run(fleet("f", "a", max_failures="10%", max_parallel=50), script=failing(20, 1, 3, 5))
    world.restart(Restart({"f": [[3, 3]]}))
    assert (world.ran(), world.state) == ("f[3]/a#2", "warning")
    world.restart(Restart({"f": [[1, 1], [5, 5]]}))
    assert (world.ran(), world.state) == ("f[1]/a#2 f[5]/a#2", "success")


def test_a_round_after_a_restart_of_picked_targets_stays_with_them() -> None:
    rollout = fleet("f", "a", max_failures=0, max_parallel=50, retry={"attempts": 2})
    script = failing(6, 1, 5)
    script.outcomes.update({"f[1]/a": "failed", "f[5]/a": "failed"})
    world = run(rollout, script=script)
    world.restart(Restart({"f": [[1, 1]]}))
    assert (world.ran(), world.state) == ("f[1]/a#3 f[1]/a#4", "failed")


def test_picking_nothing_runs_nothing() -> None:
    world = run(fleet("f", "a", max_failures=1), script=failing(6, 1))
    world.restart(Restart({"f": []}))
    assert (world.ran(), world.state) == ("", "warning")


def test_what_never_got_its_place_in_a_restart_goes_on_where_it_was_in_the_next_one() -> None:
    scope = parallel("p", "a", fleet("f", "x", max_parallel=50), concurrency=1)
    script = Script(outcomes={"a": ["failed", "failed", "success"], "f[1]/x": ["failed", "success"]})
    scope["fail_fast"] = False
    world = run(scope, script=script)
    assert world.ran() == "a f[0]/x f[1]/x f[2]/x"
    world.rebuild, world.script.workers = True, 1
    world.feed("", Restart())
    world.cancel()
    world.finish = None
    world.starts.clear()
    world.go_on()
    assert (world.ran(), states(world, "f")) == ("", "f=not_started")
    script.outcomes["a"] = "success"
    world.restart()
    assert (world.ran(), world.state) == ("a#3 f[1]/x#2", "success")
