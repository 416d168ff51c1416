"""Restart and replay: what runs, what runs again, what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from rota.errors import Conflict, NotFound
from tests.flows import probe
from tests.flows.harness import Rota

pytestmark = pytest.mark.parametrize("rota", ["sqlite", "postgresql"], indirect=True)


def attempts(run: object) -> dict[str, int]:
    return {name: row["attempt"] for name, row in run.rows.items() if row["attempt"]}  # type: ignore[attr-defined]


def test_it_goes_on_at_what_failed_and_runs_what_comes_after_again(rota: Rota) -> None:
    run = rota.run("""
        tasks:
          - {id: a, type: log, message: a}
          - id: par
            type: parallel
            fail_fast: false
            tasks:
              - {id: left, type: log, message: left}
              - {id: bad, type: probe.flaky, failures: 1}
              - {id: needs_left, type: log, needs: [left], message: needs_left}
              - {id: needs_bad, type: log, needs: [bad], message: needs_bad}
          - {id: after, type: log, message: after}
        errors: [{id: err, type: log, message: err}]
        finally: [{id: fin, type: log, message: fin}]
        """)
    assert run.state == "failed"
    plan = rota.app.executions.restart_plan(run.id)
    assert sorted(plan["runs"]) == ["after", "bad", "needs_bad"]
    run.restart()
    assert run.state == "success"
    assert attempts(run) == {
        "a": 1, "left": 1, "bad": 2, "needs_left": 1, "needs_bad": 1, "after": 1, "err": 1, "fin": 2,
    }  # fmt: skip
    assert run.row["run"] == 2
    with pytest.raises(Conflict, match="nothing to go on with"):
        rota.app.executions.restart(run.id)


def test_restart_all_starts_a_scope_from_its_top(rota: Rota) -> None:
    run = rota.run("""
        tasks:
          - {id: before, type: log, message: x}
          - id: scope
            type: sequential
            restart: all
            tasks:
              - {id: first, type: log, message: first}
              - {id: bad, type: probe.flaky, failures: 1}
        """)
    run.restart()
    assert (run.state, attempts(run)) == ("success", {"before": 1, "first": 2, "bad": 2})


FLEET = """
    tasks:
      - id: f
        type: fleet
        targets: [a, b, c, d]
        rollout: {canary: 1, batch: 2, max_failures: 4}
        tasks:
          - {id: one, type: log, message: "one {{ target }}"}
          - {id: two, type: probe.flaky, failures: "{{ 1 if target in ['b', 'd'] else 0 }}"}
      - {id: after, type: output, values: {failed: "{{ outputs.f.failed }}"}}
    outputs: {failed: "{{ outputs.after.failed }}"}
    """


def test_a_fleet_goes_on_with_the_targets_that_did_not_succeed(rota: Rota) -> None:
    run = rota.run(FLEET)
    assert (run.state, run.outputs) == ("warning", {"failed": ["b", "d"]})
    plan = rota.app.executions.restart_plan(run.id)
    assert plan == {"runs": ["f[b]/two", "f[d]/two"], "again": ["after"], "lost": []}
    run.restart()
    assert (run.state, run.outputs) == ("success", {"failed": []})
    assert sorted(line for line in run.lines if line.startswith("one")) == ["one a", "one b", "one c", "one d"]
    assert attempts(run) == {
        "f[a]/one": 1, "f[b]/one": 1, "f[c]/one": 1, "f[d]/one": 1, "f[a]/two": 1, "f[b]/two": 2, "f[c]/two": 1,
        "f[d]/two": 2, "after": 2,
    }  # fmt: skip


def test_targets_can_be_picked(rota: Rota) -> None:
    run = rota.run(FLEET)
    with pytest.raises(NotFound, match="`zz`"):
        rota.app.executions.restart(run.id, targets=["zz"])
    run.restart(targets=["d"])
    assert (run.state, run.outputs) == ("warning", {"failed": ["b"]})
    run.restart(targets=["b"])
    assert (run.state, run.outputs) == ("success", {"failed": []})
    assert run.row["run"] == 3


def test_lost_runs_are_run_again_only_when_asked(rota: Rota) -> None:
    run = rota.start("""
        tasks:
          - {id: a, type: probe.hold, gate: lost}
          - {id: b, type: log, message: b}
        """).holds("a", "lost")
    rota.app.close()
    probe.gate("lost").set()
    rota.reopen()
    run.app = rota.app
    rota.app.conductor()
    run.wait()
    assert run.state == "failed", run.states
    assert run.states["a"] == "lost"
    with pytest.raises(Conflict, match="`a`"):
        rota.app.executions.restart(run.id)
    run.restart(run_lost=True)
    assert (run.state, attempts(run)) == ("success", {"a": 2, "b": 1})


def test_the_latest_revision_can_be_taken(rota: Rota) -> None:
    rota.deploy("tasks: [{id: a, type: log, message: a}, {id: b, type: fail}]", "flow")
    run = rota.begin("flow").wait()
    rota.deploy("tasks: [{id: a, type: log, message: a}, {id: b, type: log, message: mended}]", "flow")
    run.restart()
    assert run.state == "failed", "the same revision, unless asked"
    run.restart(revision="latest")
    assert (run.state, run.lines[-1]) == ("success", "mended")
    rota.deploy("tasks: [{id: a, type: log, message: a}, {id: b, type: fail}]", "gone")
    other = rota.begin("gone").wait()
    rota.deploy("tasks: [{id: b, type: log, message: b}]", "gone")
    with pytest.raises(Conflict, match="no task `a`"):
        rota.app.executions.restart(other.id, revision="latest")


def test_what_runs_cannot_be_restarted(rota: Rota) -> None:
    run = rota.start("tasks: [{id: a, type: probe.hold, gate: g}]").until("a", "running")
    with pytest.raises(Conflict, match="has not ended"):
        rota.app.executions.restart(run.id)
    probe.gate("g").set()
    run.wait()


def test_a_cancelled_execution_goes_on_where_it_stood(rota: Rota) -> None:
    run = rota.start("""
        tasks:
          - {id: a, type: log, message: a}
          - {id: b, type: probe.hold, gate: b}
          - id: each
            type: foreach
            items: [1, 2]
            tasks: [{id: c, type: log, message: "c{{ item }}"}]
        """).until("b", "running")
    rota.app.executions.cancel(run.id)
    run.wait()
    probe.gate("b").set()
    run.restart()
    assert run.state == "success"
    assert run.lines == ["a", "c1", "c2"]


def test_a_fleet_whose_list_failed_is_evaluated_anew(rota: Rota, tmp_path: Path) -> None:
    run = rota.run("""
        tasks:
          - id: f
            type: fleet
            targets: "{{ kv('targets') }}"
            tasks: [{id: w, type: log, message: "{{ target }}"}]
        """)
    assert run.state == "failed"
    rota.app.values.set("default", "targets", ["x"])
    run.restart()
    assert (run.state, run.lines) == ("success", ["x"])


def test_replay_is_a_new_execution_with_the_same_inputs(rota: Rota) -> None:
    run = rota.run(
        """
        inputs: [{id: n, type: int}, {id: t, type: secret}, {id: d, type: date}]
        tasks: [{id: a, type: output, values: {n: "{{ inputs.n }}"}}, {id: u, type: probe.use, secret: "{{ inputs.t }}"}]
        outputs: {n: "{{ outputs.a.n }}", d: "{{ inputs.d }}"}
        """,
        {"n": 7, "t": "again-and-again", "d": "2026-01-02"},
    )
    again = rota.app.executions.replay(run.id)
    assert again != run.id
    assert rota.app.executions.wait(again, 20) is not None
    assert rota.app.executions.get(again)["outputs"] == {"n": 7, "d": "2026-01-02"}
    assert [used[1] for used in probe.seen["used"]] == ["again-and-again"] * 2


def test_iterations_in_iterations_go_on_where_they_stood(rota: Rota) -> None:
    run = rota.run("""
        tasks:
          - id: outer
            type: foreach
            items: [x, y]
            concurrency: 2
            max_failures: 2
            tasks:
              - id: inner
                type: foreach
                items: [1, 2]
                max_failures: 2
                tasks:
                  - {id: w, type: probe.flaky, failures: "{{ 1 if item == 2 else 0 }}"}
        """)
    assert run.state == "warning"
    plan = rota.app.executions.restart_plan(run.id)
    assert plan["runs"] == ["outer[0]/inner[1]/w", "outer[1]/inner[1]/w"]
    run.restart()
    assert run.state == "success"
    assert attempts(run) == {
        "outer[0]/inner[0]/w": 1, "outer[0]/inner[1]/w": 2, "outer[1]/inner[0]/w": 1, "outer[1]/inner[1]/w": 2,
    }  # fmt: skip
