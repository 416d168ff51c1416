"""What is known of a flow before it runs, and what must be rendered when."""

from __future__ import annotations

from typing import Any

import pytest

from rota.executions.interpreter.program import compile_flow
from rota.executions.interpreter.values import Condition, Expr
from rota.executions.models import Stage
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
)
from tests.core.executions.interpreter.world import make_flow


def test_each_scope_of_iterations_has_a_frame_of_its_own_and_its_ends_stay_outside() -> None:
    inner = fleet("inner", "a", finally_=tasks("g"))
    flow = {"tasks": [foreach("outer", inner, "b", errors=tasks("e")), sequential("s", "c")], "finally": tasks("f")}
    frames = compile_flow(make_flow(flow)).frames
    assert {name: set(frame.nodes) for name, frame in frames.items()} == {
        "": {"", "outer", "e", "s", "c", "f"},
        "outer": {"", "inner", "b", "g"},
        "inner": {"", "a"},
    }
    assert [frame.root.kind for frame in frames.values()] == ["flow", "iteration", "iteration"]


def test_a_whole_iteration_takes_over_nothing_of_the_keys_of_its_scope() -> None:
    keys: dict[str, Any] = {"lock": "k", "when": "x", "retry": {"attempts": 3}, "allow_failure": True, "timeout": 5}
    root = compile_flow(make_flow({"tasks": [foreach("f", "a", **keys)]})).frames["f"].root
    assert not root.expressions("enter")
    assert (root.holds_lock, root.allow_failure, root.retry, root.fixed) == (False, False, None, {})


def test_children_of_errors_and_finally_are_urgent_in_their_frames_too() -> None:
    flow = {"tasks": tasks("a"), "finally": [foreach("f", sequential("s", "b"))], "errors": tasks("e")}
    frames = compile_flow(make_flow(flow)).frames
    urgent = {node.id for frame in frames.values() for node in frame.nodes.values() if node.urgent and node.id}
    assert urgent == {"f", "s", "b", "e"}


def test_needs_are_counted_once_each() -> None:
    scope = parallel("p", "a", task("b", needs=["a", "a"]), task("c", needs=["a", "b"]))
    nodes = compile_flow(make_flow({"tasks": [scope]})).frames[""].nodes
    assert {name: nodes[name].needs for name in "abc"} == {"a": 0, "b": 1, "c": 2}
    assert [node.id for node in nodes["a"].dependents] == ["b", "c"]


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([task("a"), sequential("s", "a")], "the id `a` is there twice"),
        ([parallel("p", task("a", needs=["b"])), task("b")], "`a` needs `b`, which is not beside it"),
    ],
)
def test_what_the_checker_refuses_is_refused_here_too(steps: list[Step], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compile_flow(make_flow({"tasks": steps}))


STAGES: list[tuple[Step, Stage, dict[str, Any]]] = [
    (task("x", when="w", timeout="{{ t }}", retry={"attempts": 3}), "enter", {}),
    (task("x", when="w", lock="k"), "enter", {"when": "w"}),
    (task("x", lock="{{ k }}", timeout="{{ t }}"), "enter", {"lock": "{{ k }}"}),
    (task("x", when="w", retry={"attempts": "{{ n }}", "delay": "{{ d }}", "max_delay": 5}), "enter",
     {"retry": {"attempts": "{{ n }}", "delay": "{{ d }}"}, "when": "w"}),
    (sequential("x", "a", when="w", timeout="{{ t }}"), "enter", {"when": "w", "timeout": "{{ t }}"}),
    (sequential("x", "a", when=True, timeout="5m", lock="k"), "enter", {}),
    (sequential("x", "a", finally_timeout="{{ t }}"), "enter", {"finally_timeout": "{{ t }}"}),
    (sequential("x", "a"), "body", {}),
    (step("if", "x", condition="c", then=[]), "body", {"condition": "c"}),
    (step("if", "x", condition=True, then=[]), "body", {}),
    (step("switch", "x", value="{{ v }}", cases={}), "body", {"value": "{{ v }}"}),
    (step("switch", "x", value="prod", cases={}), "body", {}),
    (parallel("x", concurrency="{{ n }}"), "body", {"concurrency": "{{ n }}"}),
    (repeat("x", every="{{ e }}"), "body", {"every": "{{ e }}"}),
    (step("sleep", "x", duration="{{ d }}"), "body", {"duration": "{{ d }}"}),
    (step("sleep", "x", duration="1m"), "body", {}),
    (step("fail", "x", message="{{ m }}"), "body", {"message": "{{ m }}"}),
    (step("subflow", "x", flow="f", inputs={"a": 1, "b": {"c": ["{{ d }}"]}}), "body",
     {"inputs": {"a": 1, "b": {"c": ["{{ d }}"]}}}),
    (step("subflow", "x", flow="f", inputs={"a": 1}), "body", {}),
    (foreach("x", "a", items="ys", key="{{ item }}", concurrency="{{ n }}"), "items",
     {"items": "ys", "key": "{{ item }}", "max_parallel": "{{ n }}"}),
    (foreach("x", "a", items=[1, "{{ y }}"]), "items", {"items": [1, "{{ y }}"]}),
    (fleet("x", "a", canary="{{ c }}", batch="20%", lock={"key": "k", "wait": "{{ w }}"}), "items",
     {"items": "xs", "canary": "{{ c }}", "lock": "k", "lock_wait": "{{ w }}"}),
    (fleet("x", "a", expect={"min": 1, "max": "{{ m }}"}), "items", {"items": "xs", "expect_max": "{{ m }}"}),
]  # fmt: skip


@pytest.mark.parametrize(("one", "stage", "expected"), STAGES)
def test_what_must_be_rendered(one: Step, stage: Stage, expected: dict[str, Any]) -> None:
    node = compile_flow(make_flow({"tasks": [one]})).frames[""].nodes["x"]
    assert node.expressions(stage) == expected


def test_expressions_whose_braces_are_optional_are_marked() -> None:
    branch = step("if", "i", condition="c", then=[], when="w")
    each = step("fleet", "f", targets="xs", select="target.up", tasks=[], collect={"x": "outputs.a"})
    frames = compile_flow(make_flow({"tasks": [branch, each, repeat("r", until="done")]})).frames
    nodes = frames[""].nodes
    found = [
        (nodes["i"].expressions("enter")["when"], Condition),
        (nodes["i"].expressions("body")["condition"], Condition),
        (nodes["f"].expressions("items")["items"], Expr),
        (nodes["f"].expressions("items")["select"], Condition),
        (frames["f"].root.expressions("end")["collect"]["x"], Expr),
        (frames["r"].root.expressions("end")["until"], Condition),
    ]
    assert [type(value) for value, _ in found] == [kind for _, kind in found]


def test_literals_are_read_once_and_durations_are_seconds() -> None:
    each = fleet("f", "a", batch="20 %", max_failures="2.5%", wait="1m", timeout="PT1H", lock={"key": "k", "wait": 5})
    node = compile_flow(make_flow({"tasks": [each]})).frames[""].nodes["f"]
    assert node.fixed == {
        "timeout": 3600.0,
        "finally_timeout": 600.0,
        "batch": "20%",
        "max_parallel": 10,
        "max_failures": "2.5%",
        "wait": 60.0,
        "lock_wait": 5.0,
    }
