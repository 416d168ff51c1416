"""The scopes: their normal, empty, failing and nested cases, on a real store."""

from __future__ import annotations

import pytest

from tests.flows import probe
from tests.flows.harness import Rota, eventually


def test_parallel_starts_what_its_needs_allow(rota: Rota) -> None:
    run = rota.start("""
        tasks:
          - id: par
            type: parallel
            tasks:
              - {id: a, type: probe.hold, gate: a}
              - {id: b, type: probe.hold, gate: b}
              - {id: c, type: log, needs: [a, b], message: c}
              - {id: d, type: log, needs: [a], message: d}
        """)
    run.until("a", "running").until("b", "running")
    assert "c" not in run.states or run.states["c"] == "created"
    probe.gate("a").set()
    run.until("d", "success")
    assert run.lines == ["d"]
    probe.gate("b").set()
    run.wait()
    assert run.lines == ["d", "c"]


def test_parallel_stops_starting_after_a_failure(rota: Rota) -> None:
    source = """
        tasks:
          - id: par
            type: parallel
            concurrency: 1
            fail_fast: {fast}
            tasks:
              - {{id: bad, type: fail}}
              - {{id: later, type: log, message: later}}
              - {{id: needs_bad, type: log, needs: [bad], message: never}}
        """
    run = rota.run(source.format(fast="true"))
    assert run.states == {"par": "failed", "bad": "failed", "later": "not_started", "needs_bad": "not_started"}
    run = rota.run(source.format(fast="false"))
    assert run.states == {"par": "failed", "bad": "failed", "later": "success", "needs_bad": "not_started"}


def test_switch_takes_its_case_or_fails(rota: Rota) -> None:
    source = """
        inputs: [{{id: env, type: string}}]
        tasks:
          - id: s
            type: switch
            value: "{{{{ inputs.env }}}}"
            cases: {{prod: [{{id: p, type: log, message: prod}}]}}
            {default}
        """
    assert rota.run(source.format(default=""), {"env": "prod"}).lines == ["prod"]
    run = rota.run(source.format(default="default: [{id: d, type: log, message: other}]"), {"env": "x"})
    assert (run.state, run.lines) == ("success", ["other"])
    run = rota.run(source.format(default=""), {"env": "x"})
    assert (run.state, run.problem["type"]) == ("failed", "switch")


def test_repeat_goes_on_until_its_condition_holds(rota: Rota) -> None:
    run = rota.run("""
        tasks:
          - id: poll
            type: repeat
            until: outputs.count.n >= 3
            every: 1ms
            max_iterations: 10
            tasks:
              - {id: count, type: output, values: {n: "{{ index + 1 }}", k: "{{ key }}"}}
        outputs: {rows: "{{ outputs.poll.counts }}", hidden: "{{ outputs.count is defined }}"}
        """)
    assert (run.state, run.outputs) == ("success", {"rows": {"total": 3, "success": 3}, "hidden": False})
    assert [name for name in run.states if name.endswith("count")] == [f"poll[{n}]/count" for n in range(3)]


@pytest.mark.parametrize(
    ("limit", "problem"), [("max_iterations: 2", "repeat"), ("max_duration: 30ms, every: 10ms", "timeout")]
)
def test_repeat_fails_at_its_limit(limit: str, problem: str, rota: Rota) -> None:
    run = rota.run(f"""
        tasks:
          - {{id: poll, type: repeat, until: "false", {limit}, tasks: [{{id: a, type: log, message: x}}]}}
        """)
    assert (run.state, run.problem["type"]) == ("failed", problem)


def test_repeat_needs_a_boolean(rota: Rota) -> None:
    run = rota.run(
        "tasks: [{id: r, type: repeat, until: index, max_iterations: 2, tasks: [{id: a, type: log, message: x}]}]"
    )
    assert run.state == "failed"
    assert "true or false" in run.problem["message"]


def test_foreach_gives_rows_counts_and_failed(rota: Rota) -> None:
    run = rota.run("""
        tasks:
          - id: each
            type: foreach
            items: {b: 2, a: 1, c: 3}
            key: "{{ item.key }}"
            concurrency: 2
            max_failures: 1
            tasks:
              - {id: one, type: output, values: {n: "{{ item.value * 10 }}"}}
              - {id: two, type: probe.flaky, failures: "{{ 9 if item.key == 'a' else 0 }}", value: ok}
            collect: {n: outputs.one.n, two: outputs.two, late: outputs.two | upper}
        outputs: {each: "{{ outputs.each }}"}
        """)
    assert run.state == "warning"
    each = run.outputs["each"]
    assert each["counts"] == {"total": 3, "success": 2, "failed": 1}
    assert each["failed"] == ["a"]
    assert [(row["key"], row["state"], row["n"], row["two"], row["late"], row["error"]) for row in each["rows"]] == [
        ("b", "success", 20, "ok", "OK", None), ("a", "failed", 10, None, None, "attempt 1"),
        ("c", "success", 30, "ok", "OK", None),
    ]  # fmt: skip
    assert all(row["started"] and row["duration"] >= 0 for row in each["rows"])


@pytest.mark.parametrize("items", ["[]", '"{{ range(0) }}"', "{}"])
def test_foreach_over_nothing_is_a_success(items: str, rota: Rota) -> None:
    run = rota.run(f"""
        tasks: [{{id: e, type: foreach, items: {items}, tasks: [{{id: a, type: log, message: x}}], collect: {{x: outputs.a}}}}]
        outputs: {{e: "{{{{ outputs.e }}}}"}}
        """)
    assert (run.state, run.outputs) == ("success", {"e": {"rows": [], "counts": {"total": 0}, "failed": []}})


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ('"{{ 7 }}"', "a list is needed"),
        ('"{{ nothing.there }}"', "nothing"),
        ('[1, 1], key: "{{ item }}"', "there twice"),
        ('[1], key: "{{ none }}"', "must be text"),
        ('"{{ [now()] }}", key: "{{ item.missing }}"', "missing"),
    ],
)
def test_foreach_says_what_is_wrong_with_its_list(items: str, message: str, rota: Rota) -> None:
    run = rota.run(f"tasks: [{{id: e, type: foreach, items: {items}, tasks: [{{id: a, type: log, message: x}}]}}]")
    assert run.state == "failed"
    assert message in run.problem["message"]


def test_artifacts_and_strange_items_pass_through_lists_and_columns(rota: Rota) -> None:
    run = rota.run("""
        tasks:
          - {id: made, type: probe.store, text: stored}
          - id: each
            type: foreach
            items: "{{ [outputs.made.file, {'$secret': 'not ours'}, {'a': {'$artifact': 1}}] }}"
            tasks:
              - {id: back, type: output, values: {item: "{{ item }}"}}
              - {id: read, type: probe.store, when: index == 0, artifact: "{{ item }}"}
            collect: {item: outputs.back.item, read: outputs.read | default('-')}
          - {id: again, type: probe.store, artifact: "{{ outputs.each.rows[0].item }}"}
        outputs: {items: "{{ outputs.each.rows | map(attribute='item') | list }}", again: "{{ outputs.again }}"}
        """)
    assert run.state == "success", (run.problem, run.lines)
    first, second, third = run.outputs["items"]
    assert (first["name"], second, third) == ("made.txt", {"$secret": "not ours"}, {"a": {"$artifact": 1}})
    assert run.outputs["again"] == "stored"


def test_exit_ends_the_execution_from_anywhere(rota: Rota) -> None:
    run = rota.run("""
        tasks:
          - id: f
            type: fleet
            targets: [a, b, c, d]
            rollout: {max_parallel: 1}
            tasks:
              - {id: check, type: if, condition: target == 'b', then: [{id: stop, type: exit, state: warning, message: enough}]}
              - {id: work, type: log, message: "{{ target }}"}
          - {id: after, type: log, message: after}
        finally: [{id: fin, type: log, message: "fin {{ execution.state }}"}]
        """)
    assert (run.state, run.problem) == ("warning", {"type": "exit", "message": "enough", "task": "f[b]/stop", "target": "b",
                                                    "retryable": False}) or run.problem["message"] == "enough"  # fmt: skip
    assert run.lines == ["a", "fin warning"]
    assert run.states["after"] == "not_started"


@pytest.mark.parametrize("state", ["success", "failed", "cancelled"])
def test_exit_has_a_state_of_ones_choosing(state: str, rota: Rota) -> None:
    run = rota.run(f"""
        tasks:
          - {{id: e, type: exit, state: {state}, message: "because {{{{ 1 + 1 }}}}"}}
          - {{id: after, type: log, message: x}}
        errors: [{{id: err, type: log, message: err}}]
        """)
    assert (run.state, run.problem.get("message")) == (state, "because 2")
    assert run.lines == []


def test_fail_fails_with_its_message(rota: Rota) -> None:
    run = rota.run("""
        variables: {x: broken}
        tasks: [{id: f, type: fail, message: "it is {{ vars.x }}"}]
        """)
    assert (run.state, run.problem["message"], run.problem["type"]) == ("failed", "it is broken", "fail")


def test_sleep_waits_and_holds_no_worker(make_rota: object, rota: Rota) -> None:
    run = rota.run("""
        inputs: [{id: d, type: duration, default: 20ms}]
        tasks:
          - {id: a, type: sleep, duration: "{{ inputs.d }}"}
          - {id: b, type: sleep, duration: 0s}
          - {id: c, type: sleep, duration: "{{ 'soon' }}", allow_failure: true}
        """)
    assert run.states == {"a": "success", "b": "success", "c": "warning"}
    row = run.rows["a"]
    assert row["ended_at"] - row["started_at"] >= 0.02


def test_deeply_nested_scopes_run(rota: Rota) -> None:
    inner = "{id: leaf, type: log, message: deep}"
    for depth in range(40):
        inner = f"{{id: s{depth}, type: sequential, tasks: [{inner}]}}"
    run = rota.run(f"tasks: [{inner}]")
    assert (run.state, run.lines, len(run.states)) == ("success", ["deep"], 41)


def test_a_fair_share_of_the_workers_goes_to_each_namespace(make_rota: object) -> None:
    rota = make_rota(workers=1)  # type: ignore[operator]
    blocker = rota.start("tasks: [{id: b, type: probe.hold, gate: block}]")
    blocker.until("b", "running")
    many = (
        "tasks: [{id: p, type: parallel, tasks: ["
        + ", ".join(f"{{id: t{n}, type: log, message: m}}" for n in range(6))
        + "]}]"
    )
    big = rota.start(many, namespace="big")
    eventually(lambda: len(big.states) == 7)
    small = rota.start("tasks: [{id: s, type: log, message: small}]", namespace="small")
    eventually(lambda: "s" in small.states)
    probe.gate("block").set()
    big.wait(), small.wait()
    ended = sorted([row["ended_at"] for name, row in big.rows.items() if name != "p"])
    assert small.rows["s"]["ended_at"] <= ended[2], "it did not wait for all of the other namespace"
