"""Fleets: batches, limits, breaches, approvals, limits changed on the way."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from rota.errors import Conflict
from tests.flows import probe
from tests.flows.harness import Rota, Run, eventually

FLEET = """
    tasks:
      - id: f
        type: fleet
        targets: "{{{{ range({count}) | list }}}}"
        key: "t{{{{ target }}}}"
        rollout: {rollout}
        tasks:
          - {{id: work, type: probe.flaky, failures: "{{{{ 9 if target in {bad} else 0 }}}}"}}
        collect: {{work: outputs.work}}
    outputs: {{f: "{{{{ outputs.f }}}}"}}
    """


def fleet(rota: Rota, count: int, rollout: str, bad: list[int]) -> Run:
    return rota.run(FLEET.format(count=count, rollout=rollout, bad=bad))


def order(run: Run) -> list[list[int]]:
    """The targets in waves: those that started before any of a later wave did."""
    rows = run.app.executions.iterations(run.id, "", "f", limit=None)
    started = [row for row in rows if row["started_at"] is not None]
    waves: list[list[Any]] = []
    for row in sorted(started, key=lambda row: row["idx"]):
        if waves and row["started_at"] < max(other["ended_at"] for other in waves[-1]):
            waves[-1].append(row)
        else:
            waves.append([row])
    return [[row["idx"] for row in wave] for wave in waves]


def test_57_targets_go_as_canary_and_batches(rota: Rota) -> None:
    run = rota.run("""
        tasks:
          - id: f
            type: fleet
            targets: "{{ range(57) | list }}"
            rollout: {canary: 1, batch: 20%, max_parallel: 60}
            tasks: [{id: work, type: shell, command: "true"}]
        """)
    assert run.state == "success"
    assert [len(wave) for wave in order(run)] == [1, 12, 12, 12, 12, 8]


@pytest.mark.parametrize(
    ("rollout", "bad", "state", "counts"),
    [
        ("{}", [], "success", {"total": 6, "success": 6}),
        ("{max_failures: 2}", [0, 3], "warning", {"total": 6, "success": 4, "failed": 2}),
        ("{max_failures: 50%}", [0, 1, 2], "warning", {"total": 6, "success": 3, "failed": 3}),
        ("{max_parallel: 1}", [1], "failed", {"total": 6, "success": 1, "failed": 1, "not_started": 4}),
        ("{max_parallel: 1, max_failures: 1}", [1, 3], "failed",
         {"total": 6, "success": 2, "failed": 2, "not_started": 2}),
        ("{canary: 1, max_failures: 5}", [0], "failed", {"total": 6, "failed": 1, "not_started": 5}),
        ("{batch: 2, max_failures: 1}", [0, 1], "failed", {"total": 6, "failed": 2, "not_started": 4}),
    ],
)  # fmt: skip
def test_failures_are_counted_and_limited(
    rollout: str, bad: list[int], state: str, counts: dict[str, int], rota: Rota
) -> None:
    run = fleet(rota, 6, rollout, bad)
    assert run.state == state
    output = run.output("f")
    assert output["counts"] == counts
    assert output["failed"] == [f"t{n}" for n in bad]
    assert all("work" in row for row in output["rows"]), "every row has every column"
    if state == "failed":
        assert run.problem["type"] == "breach"
        assert "restart" in run.problem["message"] or "failed" in run.problem["message"]


def test_expect_is_checked_before_anything_starts(rota: Rota) -> None:
    source = """
        tasks:
          - id: f
            type: fleet
            targets: "{{{{ range({n}) | list }}}}"
            select: target != 99
            expect: {{min: 2, max: 3}}
            tasks: [{{id: w, type: log, message: "{{{{ target }}}}"}}]
        """
    for n, state in ((1, "failed"), (2, "success"), (3, "success"), (4, "failed")):
        run = rota.run(source.format(n=n))
        assert run.state == state
        if state == "failed":
            assert run.problem["type"] == "expect"
            assert run.lines == []


def test_keys_come_from_the_targets(rota: Rota) -> None:
    run = rota.run("""
        tasks:
          - id: f
            type: fleet
            targets: [{name: a}, {id: 7}, plain, {other: 1}]
            tasks: [{id: w, type: log, message: "{{ key }} {{ index }}"}]
        """)
    assert sorted(run.lines) == ["3 3", "7 1", "a 0", "plain 2"]


def test_a_breach_may_pause_and_a_person_decides(rota: Rota) -> None:
    source = FLEET.format(count=4, rollout="{max_parallel: 1, on_breach: pause}", bad=[0])
    run = rota.start(source).becomes("paused")
    rota.app.executions.resume(run.id)
    run.wait()
    assert (run.state, run.output("f")["counts"]) == ("failed", {"total": 4, "failed": 1, "success": 3})
    run = rota.start(source).becomes("paused")
    rota.app.executions.resume(run.id, reject=True)
    run.wait()
    assert (run.state, run.output("f")["counts"]) == ("failed", {"total": 4, "failed": 1, "not_started": 3})


def test_a_breach_drains_or_cancels_what_has_started(rota: Rota) -> None:
    source = """
        tasks:
          - id: f
            type: fleet
            targets: [good, bad]
            rollout: {{on_breach: {how}}}
            tasks:
              - {{id: hold, type: probe.hold, gate: "{how}", when: target == 'good'}}
              - {{id: wait, type: probe.hold, gate: "bad {how}", when: target == 'bad'}}
              - {{id: fail, type: fail, message: x, when: target == 'bad'}}
        """
    for how, good in (("drain", "success"), ("cancel", "cancelled")):
        run = rota.start(source.format(how=how)).until("f[good]/hold", "running").until("f[bad]/wait", "running")
        probe.gate(f"bad {how}").set()
        run.until("f[bad]/fail", "failed")
        if how == "drain":
            probe.gate(how).set()
        run.wait()
        assert run.state == "failed"
        assert run.states["f[good]/hold"] == good


def test_approval_is_asked_after_the_canary_or_each_batch(rota: Rota) -> None:
    source = """
        tasks:
          - id: f
            type: fleet
            targets: [a, b, c, d, e]
            rollout: {{canary: 1, batch: 2, approve: {{after: {after}, by: [ann]}}}}
            tasks: [{{id: w, type: log, message: "{{{{ target }}}}"}}]
        """

    def asks_after(run: Run, targets: int) -> bool:
        return run.state == "paused" and len(run.lines) == targets

    for after, times in (("canary", 1), ("batch", 2)):
        run = rota.start(source.format(after=after))
        for targets in (1, 3)[:times]:
            eventually(partial(asks_after, run, targets))
            with pytest.raises(Conflict, match="may not resume"):
                rota.app.executions.resume(run.id, author="eve")
            rota.app.executions.resume(run.id, author="ann")
        assert run.wait().state == "success"
        assert len(run.lines) == 5
    run = rota.start(source.format(after="canary")).becomes("paused")
    rota.app.executions.resume(run.id, author="ann", reject=True)
    assert run.wait().state == "failed"
    assert run.lines == ["a"]


def test_batches_wait(rota: Rota) -> None:
    run = rota.run("""
        tasks:
          - id: f
            type: fleet
            targets: [a, b]
            rollout: {batch: 1, wait: 50ms}
            tasks: [{id: w, type: log, message: "{{ target }}"}]
        """)
    rows = rota.app.executions.iterations(run.id, "", "f")
    assert rows[1]["started_at"] - rows[0]["ended_at"] >= 0.05


def test_limits_can_be_changed_while_it_runs(rota: Rota) -> None:
    run = rota.start("""
        tasks:
          - id: f
            type: fleet
            targets: "{{ range(6) | list }}"
            rollout: {max_parallel: 1}
            tasks:
              - {id: hold, type: probe.hold, gate: go}
              - {id: bad, type: fail, when: target < 2}
        """).until("f[0]/hold", "running")
    rota.app.executions.change_limits(run.id, "f", max_parallel=4, max_failures=2)
    run.until("f[3]/hold", "running")
    assert len([name for name, state in run.states.items() if state == "running" and name.endswith("hold")]) == 4
    probe.gate("go").set()
    run.wait()
    assert (run.state, run.output("f")["counts"]) == ("warning", {"total": 6, "failed": 2, "success": 4})


def test_limits_of_what_is_no_fleet_are_refused(rota: Rota) -> None:
    from rota.errors import NotFound

    run = rota.start("tasks: [{id: a, type: probe.hold, gate: g}]").until("a", "running")
    with pytest.raises(NotFound, match="no fleet `a`"):
        rota.app.executions.change_limits(run.id, "a", max_parallel=2)
    probe.gate("g").set()
    run.wait()


def test_targets_that_fail_in_their_errors_and_finally_tell_it_once(rota: Rota) -> None:
    run = rota.run("""
        tasks:
          - id: f
            type: fleet
            targets: [a, b]
            rollout: {max_failures: 1}
            tasks:
              - id: one
                type: sequential
                tasks: [{id: w, type: fail, message: "no {{ target }}", when: target == 'a'}]
                errors: [{id: e, type: log, message: "{{ error.target }} {{ error.message }}"}]
                finally: [{id: fin, type: log, message: "fin {{ target }}"}]
            errors: [{id: fe, type: log, message: never}]
            finally: [{id: ff, type: log, message: "{{ outputs.f.failed }}"}]
        """)
    assert run.state == "warning"
    assert sorted(run.lines) == ['["a"]', "a no a", "fin a", "fin b"]


def test_a_fleet_in_a_fleet_is_addressed_by_its_path(rota: Rota) -> None:
    run = rota.run("""
        tasks:
          - id: sites
            type: fleet
            targets: [{name: s1, hosts: [a, b]}, {name: s2, hosts: []}]
            tasks:
              - id: hosts
                type: fleet
                targets: target.hosts
                tasks: [{id: w, type: output, values: {x: "{{ target }}"}}]
                collect: {x: outputs.w.x}
            collect: {rows: outputs.hosts.counts.total}
        outputs: {rows: "{{ outputs.sites.rows | map(attribute='rows') | list }}"}
        """)
    assert run.state == "success"
    assert run.outputs == {"rows": [2, 0]}
    assert run.states["sites[s1]/hosts[b]/w"] == "success"
