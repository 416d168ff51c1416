"""Which tasks run in which order: `sequential`, `parallel`, `if`, `switch`, and what is skipped."""

from __future__ import annotations

import pytest

from rota.executions.models import Ended, Evaluated, Problem, Run, Start, State
from tests.core.executions.interpreter.steps import Step, parallel, prepare, run, sequential, states, step, task, tasks
from tests.core.executions.interpreter.world import Script

ORDER: list[tuple[str, list[Step | str], dict[str, str], str, str, str]] = [
    # name, steps, outcomes, what runs, states, the state of all
    ("one after the other", ["a b c"], {}, "a b c", "a=success b=success c=success", "success"),
    ("nothing", [sequential("s")], {}, "", "s=success", "success"),
    ("a failure ends the list", ["a b c"], {"b": "failed"}, "a b", "a=success b=failed c=not_started", "failed"),
    ("a warning does not", ["a b"], {"a": "warning"}, "a b", "a=warning b=success", "warning"),
    ("nor a task that is skipped", ["a b"], {"a": "skipped"}, "a b", "a=skipped b=success", "success"),
    ("a cancelled child ends it", ["a b"], {"a": "cancelled"}, "a", "a=cancelled b=not_started", "cancelled"),
    ("a lost one fails it", ["a b"], {"a": "lost"}, "a", "a=lost b=not_started", "failed"),
    ("disabled", [task("a", disabled=True), "b"], {}, "b", "a=skipped b=success", "success"),
    ("never", [task("a", when=False), "b"], {}, "b", "a=skipped b=success", "success"),
    ("always", [task("a", when=True), "b"], {}, "a b", "a=success b=success", "success"),
    (
        "nested",
        [sequential("s", "a b"), "c"],
        {"a": "failed"},
        "a",
        "s=failed a=failed b=not_started c=not_started",
        "failed",
    ),
    (
        "a scope that is disabled has no children",
        [sequential("s", "a", disabled=True, finally_=tasks("f")), "b"],
        {},
        "b",
        "s=skipped a=- f=- b=success",
        "success",
    ),
    (
        "allowed to fail",
        [task("a", allow_failure=True), "b"],
        {"a": "failed"},
        "a b",
        "a=warning b=success",
        "warning",
    ),
    (
        "a scope allowed to fail",
        [sequential("s", "a b", allow_failure=True), "c"],
        {"a": "failed"},
        "a c",
        "s=warning a=failed b=not_started c=success",
        "warning",
    ),
    (
        "a cancelled task is not allowed for",
        [task("a", allow_failure=True), "b"],
        {"a": "cancelled"},
        "a",
        "a=cancelled b=not_started",
        "cancelled",
    ),
    ("at the same time", [parallel("p", "a b c"), "d"], {}, "a b c d", "p=success d=success", "success"),
    ("nothing at the same time", [parallel("p"), "a"], {}, "a", "p=success a=success", "success"),
    (
        "what has started goes to its end",
        [parallel("p", "a", sequential("s", "b c"))],
        {"a": "failed"},
        "a b c",
        "p=failed a=failed s=success b=success c=success",
        "failed",
    ),
    (
        "the worst of the children counts",
        [parallel("p", "a b c", fail_fast=False)],
        {"a": "cancelled", "b": "failed", "c": "warning"},
        "a b c",
        "p=failed",
        "failed",
    ),
    (
        "cancelled is worse than a warning",
        [parallel("p", "a b", fail_fast=False)],
        {"a": "cancelled", "b": "warning"},
        "a b",
        "p=cancelled",
        "cancelled",
    ),
    (
        "a diamond",
        [parallel("p", "a", task("b", needs=["a"]), task("c", needs=["a"]), task("d", needs=["b", "c"]))],
        {},
        "a b c d",
        "p=success",
        "success",
    ),
    (
        "needs are met by a warning and by what is skipped",
        [parallel("p", "a", task("b", disabled=True), task("c", needs=["a", "b"]))],
        {"a": "warning"},
        "a c",
        "p=warning a=warning b=skipped c=success",
        "warning",
    ),
    (
        "what needs a failed one never starts, the others do",
        [
            parallel(
                "p",
                "a b",
                task("c", needs=["a"]),
                task("d", needs=["c", "b"]),
                task("e", needs=["b"]),
                fail_fast=False,
            )
        ],
        {"a": "failed"},
        "a b e",
        "p=failed a=failed b=success c=not_started d=not_started e=success",
        "failed",
    ),
    (
        "with fail_fast the others do not either",
        [parallel("p", "a b", task("e", needs=["b"]))],
        {"a": "failed"},
        "a b",
        "p=failed a=failed b=success e=not_started",
        "failed",
    ),
    (
        "so many at a time, in list order",
        [parallel("p", "a b c d", concurrency=2)],
        {"b": "failed"},
        "a b",
        "a=success b=failed c=not_started d=not_started",
        "failed",
    ),
    (
        "those that become ready later wait for their place in list order",
        [parallel("p", "a", task("b", needs=["a"]), "c d", concurrency=1)],
        {},
        "a b c d",
        "p=success",
        "success",
    ),
    (
        "a failure deep inside goes outward once",
        [parallel("p", parallel("q", sequential("s", "a b")), fail_fast=False), "c"],
        {"a": "failed"},
        "a",
        "p=failed q=failed s=failed b=not_started c=not_started",
        "failed",
    ),
]


@pytest.mark.parametrize(
    ("steps", "outcomes", "ran", "expected", "state"), [c[1:] for c in ORDER], ids=[c[0] for c in ORDER]
)
def test_what_runs(steps: list[Step | str], outcomes: dict[str, str], ran: str, expected: str, state: str) -> None:
    world = run(*steps, script=Script(outcomes=dict(outcomes)))
    ids = " ".join(one.partition("=")[0] for one in expected.split())
    assert (world.ran(), states(world, ids), world.state) == (ran, expected, state)


def test_a_withdrawn_task_has_not_started() -> None:
    world = run(parallel("p", "a b c"), script=Script(workers=2, takes={"b": 5}), a="failed")
    assert world.ran() == "a b"
    assert states(world, "a b c p") == "a=failed b=success c=not_started p=failed"


def test_without_fail_fast_what_is_queued_still_runs() -> None:
    world = run(parallel("p", "a b c", fail_fast=False), script=Script(workers=1), a="failed")
    assert world.ran() == "a b c"
    assert states(world, "a b c p") == "a=failed b=success c=success p=failed"


def test_a_child_that_waits_for_its_lock_has_not_started() -> None:
    world = run(parallel("p", "a", task("b", lock="x")), script=Script(locked={"x": 50}), a="failed")
    assert states(world, "a b p") == "a=failed b=not_started p=failed"
    assert not world.held_locks()


def test_a_child_whose_when_is_being_evaluated_has_not_started() -> None:
    world = prepare(parallel("p", task("a"), sequential("s", "b", when="x")))
    world.feed("", Start())
    world.pending.clear()
    world.end("", _ended("a", State.FAILED))
    assert world.finish is None
    world.feed("", Evaluated("s", "enter", {"when": True}))
    assert world.state is State.FAILED
    assert states(world, "a s b") == "a=failed s=not_started b=-"


def _ended(node: str, state: State) -> Ended:
    return Ended(node, 1, state)


@pytest.mark.parametrize(("when", "ran", "state"), [(True, "a b", "success"), (False, "b", "skipped")])
def test_a_scope_asks_for_its_when_first(when: bool, ran: str, state: str) -> None:
    world = run(sequential("s", "a", when="x", finally_=[]), "b", script=Script(answers={"s": {"when": when}}))
    assert world.ran() == ran
    assert states(world, "s") == f"s={state}"


def test_a_when_that_gives_no_boolean_fails_the_scope_without_starting_it() -> None:
    world = run(sequential("s", "a", when="x", finally_=tasks("f")), script=Script(answers={"s": {"when": "false"}}))
    assert world.ran() == ""
    assert world.finish is not None
    assert world.finish.problem is not None
    assert world.finish.problem.message == "`when` must give true or false, not `false`"
    assert states(world, "s") == "s=failed"


def test_the_when_of_a_task_is_left_to_the_worker_unless_it_has_a_lock() -> None:
    world = run(task("a", when="x"), task("b", when="x", lock="k"), script=Script(answers={"b": {"when": False}}))
    assert world.program.frames[""].nodes["a"].asks_when
    assert not world.program.frames[""].nodes["b"].asks_when
    assert world.ran() == "a"
    assert states(world, "a b") == "a=success b=skipped"


IF = [
    (True, "a", "i=success a=success b=-"),
    (False, "b", "i=success a=- b=success"),
]


@pytest.mark.parametrize(("condition", "ran", "expected"), IF)
@pytest.mark.parametrize("literal", [True, False])
def test_if_runs_one_of_two_lists(condition: bool, ran: str, expected: str, literal: bool) -> None:
    branch = step("if", "i", condition=condition if literal else "x", then=tasks("a"), else_=tasks("b"))
    world = run(branch, script=Script(answers={"i": {"condition": condition}}))
    assert (world.ran(), states(world, "i a b"), world.state) == (ran, expected, "success")


def test_if_without_else_does_nothing() -> None:
    world = run(step("if", "i", condition=False, then=tasks("a")), "b")
    assert (world.ran(), states(world, "i b")) == ("b", "i=success b=success")


def test_a_failing_branch_fails_the_if() -> None:
    world = run(step("if", "i", condition=True, then=tasks("a b")), "c", a="failed")
    assert states(world, "i a b c") == "i=failed a=failed b=not_started c=not_started"


def test_a_condition_that_cannot_be_had_fails_the_if_and_its_errors_run() -> None:
    problem = Problem("template", "`x` is undefined", retryable=False)
    branch = step("if", "i", condition="x", then=tasks("a"), errors=tasks("e"), finally_=tasks("f"))
    world = run(branch, script=Script(broken={"i": problem}))
    assert (world.ran(), world.problem) == ("e f", "template")
    assert world.finish is not None
    assert world.finish.problem is not None
    assert world.finish.problem.task == "i"


SWITCH = [
    ("a", "x", "success"),
    ("b", "y", "success"),
    ("c", "d", "success"),
    (True, "t", "success"),
    (3, "n", "success"),
]


@pytest.mark.parametrize(("value", "ran", "state"), SWITCH)
def test_switch_runs_the_list_that_a_value_names(value: object, ran: str, state: str) -> None:
    cases = {"a": tasks("x"), "b": tasks("y"), "true": tasks("t"), "3": tasks("n")}
    world = run(
        step("switch", "s", value="{{ v }}", cases=cases, default=tasks("d")),
        script=Script(answers={"s": {"value": value}}),
    )
    assert (world.ran(), world.state) == (ran, state)


def test_switch_without_a_match_fails_and_says_so() -> None:
    world = run(step("switch", "s", value="c", cases={"a": tasks("x")}), "b")
    assert (world.ran(), world.state, world.problem) == ("", "failed", "switch")
    assert world.finish is not None
    assert world.finish.problem is not None
    assert world.finish.problem.message == "`s` has no case for `c` and no `default`"


def test_switch_with_an_empty_default_does_nothing() -> None:
    world = run(step("switch", "s", value="c", cases={"a": tasks("x")}, default=[]), "b")
    assert (world.ran(), world.state) == ("b", "success")


def test_the_children_of_a_parallel_are_asked_for_in_one_go_and_in_order() -> None:
    world = prepare(parallel("p", "a", sequential("s", "b c"), "d"))
    frame_commands: list[str] = []
    world.watch = lambda _, message: frame_commands.append(message.node) if isinstance(message, Run) else None
    world.run()
    assert frame_commands == ["a", "b", "d", "c"]


def test_a_rendered_concurrency_counts_and_a_wrong_one_fails() -> None:
    limited = parallel("p", "a b c", concurrency="{{ n }}")
    world = run(limited, script=Script(answers={"p": {"concurrency": 1}}))
    assert world.now == 3
    world = run(limited, script=Script(answers={"p": {"concurrency": 0}}))
    assert (world.ran(), world.problem) == ("", "template")


def test_outputs_of_the_flow_are_read_last_and_fail_it_only_if_it_went_well() -> None:
    flow = {"outputs": {"x": "{{ outputs.a }}"}, "finally": tasks("f")}
    broken = Script(broken={"": Problem("template", "`a` is undefined")})
    world = run("a", script=broken, flow=flow)
    assert (world.ran(), world.state, world.problem) == ("a f", "failed", "template")
    world = run("a", script=broken, flow=flow, a="failed")
    assert (world.state, world.problem) == ("failed", "Boom")
