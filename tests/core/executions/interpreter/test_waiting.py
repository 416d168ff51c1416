"""What waits: `sleep`, `pause`, `subflow`, locks, and the clocks that stand still for a person."""

from __future__ import annotations

from typing import Any

import pytest

from rota.executions.models import (
    Acquire,
    AskPerson,
    ChildWaiting,
    PauseTimer,
    Problem,
    Release,
    Resumed,
    ResumeTimer,
    StartSubflow,
    Waiting,
)
from tests.core.executions.interpreter.steps import (
    Step,
    fleet,
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
from tests.core.executions.interpreter.world import Outcome, Script, World


def seen(world: World, *kinds: type[Any]) -> list[tuple[str, Any]]:
    """Collect the commands of some kinds from now on, with the frame that gave them."""
    found: list[tuple[str, Any]] = []
    world.watch = lambda path, one: found.append((path, one)) if isinstance(one, kinds) else None
    return found


WAITS: list[tuple[str, Step, Script, str, float, str]] = [
    # name, the step `x` (with `b` after it), script, its state, the time, problem
    ("sleep", step("sleep", "x", duration="1m"), Script(), "success", 61, ""),
    ("no sleep", step("sleep", "x", duration=0), Script(), "success", 1, ""),
    (
        "rendered sleep",
        step("sleep", "x", duration="{{ d }}"),
        Script(answers={"x": {"duration": "5s"}}),
        "success",
        6,
        "",
    ),
    (
        "wrong sleep",
        step("sleep", "x", duration="{{ d }}"),
        Script(answers={"x": {"duration": "soon"}}),
        "failed",
        0,
        "template",
    ),
    ("a pause for a time", step("pause", "x", duration="1m"), Script(), "success", 61, ""),
    ("a person in time", step("pause", "x", duration="1m", approvers=["ops"]), Script(), "success", 6, ""),
    ("a person at any time", step("pause", "x"), Script(persons={"x": (1e6, False)}), "success", 1e6 + 1, ""),
    ("a person says no", step("pause", "x"), Script(persons={"x": (5, True)}), "failed", 5, "rejected"),
    (
        "no is no, however often",
        step("pause", "x", retry={"attempts": 3}),
        Script(persons={"x": (5, True)}),
        "failed",
        5,
        "rejected",
    ),
    (
        "nobody",
        step("pause", "x", duration=60, approvers=["ops"]),
        Script(persons={"x": None}),
        "failed",
        60,
        "timeout",
    ),
    (
        "nobody, go on",
        step("pause", "x", duration=60, approvers=["ops"], on_timeout="continue"),
        Script(persons={"x": None}),
        "success",
        61,
        "",
    ),
    (
        "nobody, cancel",
        step("pause", "x", duration=60, approvers=["ops"], on_timeout="cancel"),
        Script(persons={"x": None}),
        "cancelled",
        60,
        "",
    ),
    ("a pause that fails", step("pause", "x", duration=60, on_timeout="fail"), Script(), "failed", 60, "timeout"),
    ("a subflow", step("subflow", "x", flow="other"), Script(), "success", 2, ""),
    ("one that warns", step("subflow", "x", flow="other"), Script(outcomes={"x": "warning"}), "warning", 2, ""),
    ("one that fails", step("subflow", "x", flow="other"), Script(outcomes={"x": "failed"}), "failed", 1, "Boom"),
    (
        "one that is cancelled",
        step("subflow", "x", flow="other"),
        Script(outcomes={"x": "cancelled"}),
        "cancelled",
        1,
        "",
    ),
    (
        "one that is tried again",
        step("subflow", "x", flow="other", retry={"attempts": 2, "delay": 10}),
        Script(outcomes={"x": ["failed", "success"]}),
        "success",
        13,
        "",
    ),
    ("a disabled one", step("subflow", "x", flow="other", disabled=True), Script(), "skipped", 1, ""),
    (
        "one that is not wanted",
        step("sleep", "x", duration=60, when="w"),
        Script(answers={"x": {"when": False}}),
        "skipped",
        1,
        "",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("waits", "script", "state", "time", "problem"), [c[1:] for c in WAITS], ids=[c[0] for c in WAITS]
)
def test_what_waits(waits: Step, script: Script, state: str, time: float, problem: str) -> None:
    world = run(waits, "b", script=script)
    assert (states(world, "x"), world.now, world.problem) == (f"x={state}", time, problem)


def test_a_pause_is_paused_and_so_is_the_execution_while_nobody_answers() -> None:
    world = prepare(parallel("p", step("pause", "x"), "a"), script=Script(persons={"x": None}))
    waiting = seen(world, Waiting, AskPerson)
    world.run()
    assert states(world, "x a p") == "x=paused a=success p=running"
    assert world.frames[""].states[""].state == "paused"
    world.feed("", Resumed("x"))
    assert world.state == "success"
    assert waiting == [("", AskPerson("x", "pause")), ("", Waiting(True)), ("", Waiting(False))]


def test_a_simple_pause_asks_nobody_but_can_be_ended() -> None:
    world = prepare(step("pause", "x", duration="1h"))
    waiting = seen(world, Waiting, AskPerson)
    world.run(until=60)
    world.feed("", Resumed("x"))
    assert (world.state, waiting, world.pending) == ("success", [], [])


def test_a_subflow_that_goes_on_after_a_restart_is_the_same_one_a_fresh_one_is_not() -> None:
    world = run("a", step("subflow", "x", flow="other"), x=["failed", "failed", "success"])
    assert world.ran() == "a x"
    world.restart()
    assert world.ran() == "x!"
    begun = seen(world, StartSubflow)
    world.script.outcomes["a"] = "success"
    world.restart()
    assert (begun, world.state) == ([("", StartSubflow("x", restart=True))], "success")


def test_a_subflow_after_a_task_that_runs_again_is_a_new_one() -> None:
    scope = sequential("s", "a", step("subflow", "x", flow="other"), restart="all")
    world = run(scope, x=["failed", "success"])
    world.restart()
    assert (world.ran(), world.state) == ("a#2 x", "success")


# --- clocks stand still for a person


def test_timeouts_around_a_person_stand_still_and_go_on_with_what_they_had_left() -> None:
    inner = sequential("t", step("pause", "x"), "a", timeout=3)
    world = prepare(
        sequential("s", "b", inner, timeout=5), script=Script(persons={"x": (100, False)}, takes={"a": 2.5})
    )
    timers = seen(world, PauseTimer, ResumeTimer)
    world.run()
    assert (world.state, world.now) == ("success", 103.5)
    assert timers == [
        ("", PauseTimer("t", "timeout")),
        ("", PauseTimer("s", "timeout")),
        ("", ResumeTimer("t", "timeout")),
        ("", ResumeTimer("s", "timeout")),
    ]


def test_what_is_left_of_a_timeout_is_all_there_is_after_a_person() -> None:
    scope = sequential("s", "b", step("pause", "x"), "a", timeout=5)
    world = run(scope, script=Script(persons={"x": (100, False)}, takes={"a": 10}))
    assert (world.problem, world.now) == ("timeout", 105)


def test_two_persons_hold_a_timeout_until_both_have_answered() -> None:
    scope = parallel("p", step("pause", "x"), step("pause", "y"), timeout=5)
    world = prepare(sequential("s", scope, "a"), script=Script(persons={"x": (10, False), "y": (20, False)}))
    timers = seen(world, PauseTimer, ResumeTimer)
    assert world.run().state == "success"
    assert timers == [("", PauseTimer("p", "timeout")), ("", ResumeTimer("p", "timeout"))]


def test_a_person_in_an_iteration_holds_the_timeouts_of_the_frames_around_it() -> None:
    inner = foreach("f", step("pause", "x"), "a", items=[1, 2], concurrency=2)
    script = Script(persons={"f[0]/x": (100, False), "f[1]/x": (200, False)})
    world = prepare(sequential("s", inner, timeout=5), script=script, flow={"timeout": 5})
    timers = seen(world, PauseTimer, ResumeTimer, Waiting)
    assert world.run().state == "success"
    assert [(path, one) for path, one in timers if not path] == [
        ("", PauseTimer("s", "timeout")),
        ("", PauseTimer("", "timeout")),
        ("", Waiting(True)),
        ("", ResumeTimer("s", "timeout")),
        ("", ResumeTimer("", "timeout")),
        ("", Waiting(False)),
    ]


def test_a_person_in_a_subflow_holds_the_timeouts_around_it() -> None:
    world = prepare(sequential("s", step("subflow", "x", flow="other"), timeout=5))
    timers = seen(world, PauseTimer, ResumeTimer, Waiting)
    world.run(until=0.5)
    for waiting in (True, True, False, True):
        world.feed("", ChildWaiting("x", waiting))
    world.go_on()
    assert world.state == "success"
    clock = [PauseTimer("s", "timeout"), Waiting(True), ResumeTimer("s", "timeout"), Waiting(False)]
    assert [one for _, one in timers] == clock * 2


def test_a_cancelled_person_holds_nothing_any_more() -> None:
    scope = parallel("p", step("pause", "x"), "a", timeout=5, finally_=tasks("f"))
    world = prepare(scope, script=Script(persons={"x": None})).run(until=0.5).cancel().go_on()
    assert (world.state, world.ran()) == ("cancelled", "a f")
    assert not any(world.frames[""].holds.values())


def test_waits_for_approval_hold_the_timeout_of_the_fleet() -> None:
    scope = fleet("f", "a", batch=1, approve={"after": "batch"}, timeout=5)
    world = run(scope, script=Script(persons={"f": (100, False)}))
    assert (world.state, world.now, world.asked) == ("success", 203, ["f approve", "f approve"])


# --- locks

LOCKS: list[tuple[str, list[Step | str], Script, dict[str, Outcome | list[Outcome]], str, str, float]] = [
    # name, steps, script, outcomes, what runs, states, time
    (
        "one after the other",
        [parallel("p", task("a", lock="k"), task("b", lock="k"))],
        Script(),
        {},
        "a b",
        "a=success b=success",
        2,
    ),
    (
        "others meanwhile",
        [parallel("p", task("a", lock="k"), task("b", lock="j"))],
        Script(),
        {},
        "a b",
        "a=success",
        1,
    ),
    (
        "freed after finally",
        [
            parallel(
                "p",
                sequential("s", "a", lock="k", finally_=tasks("f")),
                task("b", lock="k"),
            )
        ],
        Script(),
        {},
        "a f b",
        "s=success b=success",
        3,
    ),
    (
        "kept over retries",
        [parallel("p", task("a", lock="k", retry={"attempts": 2, "delay": 10}), task("b", lock="k"))],
        Script(),
        {"a": ["failed", "success"]},
        "a a#2 b",
        "a=success b=success",
        13,
    ),
    (
        "kept over the rounds of a scope",
        [parallel("p", sequential("s", "a", lock="k", retry={"attempts": 2, "delay": 10}), task("b", lock="k"))],
        Script(),
        {"a": ["failed", "success"]},
        "a a#2 b",
        "s=success b=success",
        13,
    ),
    (
        "kept over pauses",
        [parallel("p", sequential("s", step("pause", "x"), lock="k"), task("b", lock="k"))],
        Script(),
        {},
        "b",
        "s=success b=success",
        6,
    ),
    ("somebody else has it", [task("a", lock="k"), "b"], Script(locked={"k": 60}), {}, "a b", "a=success", 62),
    (
        "refused",
        [task("a", lock="k"), "b"],
        Script(refused={"k": Problem("lock", "it would close a circle")}),
        {},
        "",
        "a=failed b=not_started",
        0,
    ),
    (
        "refused to a scope: neither errors nor finally",
        [sequential("s", "a", lock="k", errors=tasks("e"), finally_=tasks("f")), "b"],
        Script(refused={"k": Problem("lock", "the wait is over")}),
        {},
        "",
        "s=failed b=not_started",
        0,
    ),
    (
        "asked for again by retry",
        [task("a", lock="k", retry={"attempts": 3, "delay": 10})],
        Script(refused={"k": Problem("lock", "the wait is over")}),
        {},
        "",
        "a=failed",
        20,
    ),
    (
        "asked for again by retry of a scope",
        [sequential("s", "a", lock="k", retry={"attempts": 3, "delay": 10}, finally_=tasks("f"))],
        Script(refused={"k": Problem("lock", "the wait is over")}),
        {},
        "",
        "s=failed",
        20,
    ),
    (
        "a circle is not asked for again",
        [task("a", lock="k", retry={"attempts": 3, "delay": 10})],
        Script(refused={"k": Problem("lock", "a circle", retryable=False)}),
        {},
        "",
        "a=failed",
        0,
    ),
    (
        "a scope that is not wanted takes none",
        [sequential("s", "a", lock="k", when="w")],
        Script(answers={"s": {"when": False}}, locked={"k": 60}),
        {},
        "",
        "s=skipped",
        0,
    ),
    (
        "by descendants of its holder too",
        [sequential("s", task("a", lock="k"), lock="k")],
        Script(),
        {},
        "a",
        "s=success",
        1,
    ),
]


@pytest.mark.parametrize(
    ("steps", "script", "outcomes", "ran", "expected", "time"), [c[1:] for c in LOCKS], ids=[c[0] for c in LOCKS]
)
def test_locks(
    steps: list[Step | str],
    script: Script,
    outcomes: dict[str, Outcome | list[Outcome]],
    ran: str,
    expected: str,
    time: float,
) -> None:
    script.outcomes.update(outcomes)
    world = run(*steps, script=script)
    ids = " ".join(one.partition("=")[0] for one in expected.split())
    assert (world.ran(), states(world, ids), world.now) == (ran, expected, time)
    assert not world.held_locks()


def test_a_lock_is_asked_for_with_its_rendered_key_and_wait_and_freed_under_the_same_name() -> None:
    script = Script(answers={"a": {"lock": "db/7", "lock_wait": "1m"}})
    world = prepare(task("a", lock={"key": "db/{{ x }}", "wait": "{{ w }}"}), script=script)
    commands = seen(world, Acquire, Release)
    world.run()
    assert commands == [("", Acquire("a", "db/7", 60.0)), ("", Release("a"))]


def test_a_literal_lock_costs_no_event() -> None:
    world = prepare(task("a", lock={"key": "db", "wait": 5}))
    commands = seen(world, Acquire)
    world.run()
    assert commands == [("", Acquire("a", "db", 5.0))]
    assert not world.program.frames[""].nodes["a"].expressions("enter")


def test_a_refusal_by_retry_does_not_start_a_scope_that_then_gets_its_lock() -> None:
    scope = sequential("s", "a", lock="k", retry={"attempts": 3, "delay": 10}, finally_=tasks("f"))
    world = prepare(scope, script=Script(refused={"k": Problem("lock", "the wait is over")}))
    world.run(until=5)
    world.script.refused.clear()
    world.go_on()
    assert (world.ran(), world.state, world.now) == ("a f", "success", 12)
