"""Subflows: inputs and outputs, failure, cancel, places, depth."""

from __future__ import annotations

import json

import pytest

from tests.flows import probe
from tests.flows.harness import Rota

pytestmark = pytest.mark.parametrize("rota", ["sqlite", "postgresql"], indirect=True)


def test_inputs_go_in_and_outputs_come_out(rota: Rota) -> None:
    rota.deploy(
        """
        inputs: [{id: n, type: int}, {id: d, type: date}, {id: more, type: string, default: "{{ inputs.n }}x"}]
        labels: {own: "1"}
        tasks: [{id: double, type: output, values: {n: "{{ inputs.n * 2 }}"}}, {id: file, type: probe.store, text: hi}]
        outputs: {n: "{{ outputs.double.n }}", day: "{{ inputs.d.day }}", file: "{{ outputs.file.file }}", more: "{{ inputs.more }}"}
        """,
        "child",
    )
    run = rota.run("""
        labels: {team: sre}
        variables: {which: child}
        tasks:
          - {id: sub, type: subflow, flow: "{{ vars.which }}", inputs: {n: "{{ 20 + 1 }}", d: "2026-02-03"}}
          - {id: read, type: probe.store, artifact: "{{ outputs.sub.file }}"}
        outputs: {n: "{{ outputs.sub.n }}", day: "{{ outputs.sub.day }}", id: "{{ outputs.sub.execution_id }}",
                  read: "{{ outputs.read }}", more: "{{ outputs.sub.more }}"}
        """)
    assert run.state == "success", run.problem
    (child,) = rota.children(run)
    assert run.outputs == {"n": 42, "day": 3, "id": child.id, "read": "hi", "more": "21x"}
    assert child.row["labels"] == {"team": "sre", "own": "1"}
    assert child.row["root_id"] == run.id
    assert child.row["trigger"]["type"] == "subflow"


def test_a_subflow_that_fails_fails_its_task_and_a_restart_goes_on_with_it(rota: Rota) -> None:
    rota.deploy("tasks: [{id: ok, type: log, message: ok}, {id: bad, type: probe.flaky, failures: 1}]", "child")
    run = rota.run("""
        tasks:
          - {id: sub, type: subflow, flow: child}
          - {id: after, type: log, message: after}
        errors: [{id: err, type: log, message: "{{ error.task }}: {{ error.message }}"}]
        """)
    assert run.state == "failed"
    assert run.problem["message"] == "attempt 1"
    (child,) = rota.children(run)
    assert child.state == "failed"
    run.restart()
    assert run.state == "success", (run.problem, run.states)
    assert [other.id for other in rota.children(run)] == [child.id]
    assert (child.state, child.row["run"], child.rows["ok"]["attempt"], child.rows["bad"]["attempt"]) == (
        "success",
        2,
        1,
        2,
    )


def test_retry_of_a_subflow_goes_on_with_it(rota: Rota) -> None:
    rota.deploy("tasks: [{id: bad, type: probe.flaky, failures: 2}]", "child")
    run = rota.run("tasks: [{id: sub, type: subflow, flow: child, retry: {attempts: 3}}]")
    assert run.state == "success", run.problem
    (child,) = rota.children(run)
    assert child.row["run"] == 3


def test_what_cannot_be_started_fails_with_a_reason(rota: Rota) -> None:
    rota.deploy("inputs: [{id: n, type: int}]\ntasks: [{id: a, type: log, message: x}]", "child")
    for fields, message in (
        ("flow: nope", "no flow `default/nope`"),
        ("flow: child", "`n`: is missing"),
        ("flow: child, inputs: {n: '{{ 1 }}', m: 2}", "no such input"),
        ("flow: child, inputs: {n: '{{ missing.thing }}'}", "missing"),
    ):
        run = rota.run(f"tasks: [{{id: sub, type: subflow, {fields}}}]")
        assert run.state == "failed"
        assert message in run.problem["message"]
        assert rota.children(run) == []
    run = rota.run("tasks: [{id: sub, type: subflow, flow: later, inputs: {n: '{{ 1 + 1 }}'}}]")
    rota.deploy("inputs: [{id: n, type: int}]\ntasks: [{id: a, type: log, message: '{{ inputs.n }}'}]", "later")
    run.restart()
    assert run.state == "success", run.problem
    assert rota.children(run)[0].lines == ["2"]


def test_without_wait_it_goes_its_own_way(rota: Rota) -> None:
    rota.deploy("tasks: [{id: a, type: probe.hold, gate: child}]", "child")
    run = rota.run("""
        tasks: [{id: sub, type: subflow, flow: child, wait: false}]
        outputs: {id: "{{ outputs.sub.execution_id }}"}
        """)
    (child,) = rota.children(run)
    assert (run.state, run.outputs) == ("success", {"id": child.id})
    assert child.row["root_id"] == child.id
    probe.gate("child").set()
    assert child.wait().state == "success"


def test_a_cancel_reaches_the_subflow_and_its_own_cancel_the_task(rota: Rota) -> None:
    rota.deploy("tasks: [{id: a, type: probe.hold, gate: never}]\nfinally: [{id: f, type: log, message: fin}]", "child")
    source = "tasks: [{id: sub, type: subflow, flow: child}]\nfinally: [{id: last, type: log, message: last}]"
    run = rota.start(source).until("sub", "running")
    child = rota.children(run)[0].until("a", "running")
    rota.app.executions.cancel(run.id)
    assert (run.wait().state, child.wait().state) == ("cancelled", "cancelled")
    assert (child.lines, run.lines) == (["fin"], ["last"])
    run = rota.start(source).until("sub", "running")
    child = rota.children(run)[0].until("a", "running")
    rota.app.executions.cancel(child.id)
    assert run.wait().state == "cancelled"


def test_a_timeout_of_the_task_cancels_the_subflow(rota: Rota) -> None:
    rota.deploy("tasks: [{id: a, type: sleep, duration: 1h}]", "child")
    run = rota.run("tasks: [{id: sub, type: subflow, flow: child, timeout: 1s}]")
    assert (run.state, run.problem["type"]) == ("failed", "timeout")
    assert rota.children(run)[0].state == "cancelled"


def test_recursion_ends_with_a_reason(rota: Rota) -> None:
    rota.deploy("tasks: [{id: again, type: subflow, flow: me}]", "me")
    run = rota.begin("me").wait()
    assert run.state == "failed"
    assert "nested deeper than" in run.problem["message"]


def test_a_place_that_only_an_ancestor_could_free_is_refused_at_once(rota: Rota) -> None:
    rota.deploy(
        """
        inputs: [{id: again, type: bool, default: true}]
        concurrency: {limit: 1}
        tasks: [{id: sub, type: subflow, when: inputs.again, flow: me, inputs: {again: false}}]
        """,
        "me",
    )
    run = rota.begin("me").wait()
    assert run.state == "failed"
    assert "held by an execution that waits for this one" in run.problem["message"]


def test_a_subflow_waits_for_a_place_of_its_own_flow(rota: Rota) -> None:
    rota.deploy(
        "concurrency: {limit: 1}\ninputs: [{id: g, type: string}]\ntasks: [{id: a, type: probe.hold, gate: '{{ inputs.g }}'}]",
        "child",
    )
    first = rota.begin("child", {"g": "one"}).until("a", "running")
    run = rota.start("tasks: [{id: sub, type: subflow, flow: child, inputs: {g: two}}]").until("sub", "running")
    (child,) = list(rota.children(run))
    child.becomes("queued")
    probe.gate("one").set()
    child.until("a", "running")
    probe.gate("two").set()
    assert (first.wait().state, run.wait().state) == ("success", "success")


def test_secrets_go_in_and_out_encrypted(rota: Rota, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_SUB", "from-the-backend")
    rota.deploy(
        """
        inputs: [{id: token, type: secret}]
        tasks: [{id: use, type: probe.use, secret: "{{ inputs.token }}"}, {id: login, type: probe.login, token: "{{ inputs.token }}"}]
        outputs: {token: "{{ outputs.login.token }}"}
        """,
        "child",
    )
    run = rota.run("""
        tasks:
          - {id: sub, type: subflow, flow: child, inputs: {token: "{{ secret('sub') }}"}}
          - {id: use, type: probe.use, secret: "{{ outputs.sub.token }}"}
        """)
    assert run.state == "success", run.problem
    assert [used[1] for used in probe.seen["used"]] == ["from-the-backend"] * 2
    child = rota.children(run)[0]
    shown = json.dumps([run.rows, child.rows, child.row, run.row, run.lines, child.lines], default=str)
    assert "from-the-backend" not in shown
    rota.app.close()
    for path in rota.home.rglob("*"):
        assert path.suffix == ".yaml" or not path.is_file() or b"from-the-backend" not in path.read_bytes()


def test_a_person_waited_for_inside_shows_outside(rota: Rota) -> None:
    rota.deploy("tasks: [{id: ask, type: pause}]", "child")
    run = rota.start("tasks: [{id: sub, type: subflow, flow: child}]").becomes("paused")
    child = rota.children(run)[0]
    rota.app.executions.resume(child.id)
    assert run.wait().state == "success"
