"""Locks: in order, re-entrant, without circles, and per iteration."""

from __future__ import annotations

import pytest

from tests.flows import probe
from tests.flows.harness import Rota, eventually

pytestmark = pytest.mark.parametrize("rota", ["sqlite", "postgresql"], indirect=True)

HOLD = "tasks: [{{id: a, type: probe.hold, gate: {gate}, lock: '{key}'}}]"


def test_locks_go_in_the_order_of_asking(rota: Rota) -> None:
    runs = []
    for number in range(3):
        runs.append(rota.start(HOLD.format(gate=f"g{number}", key="k")))
        eventually(lambda n=number: len(rota.app.locks.list("k")) == n + 1)  # type: ignore[misc]
    assert [row["held"] for row in rota.app.locks.list("k")] == [True, False, False]
    for number, run in enumerate(runs):
        run.until("a", "running")
        assert [other.states["a"] for other in runs[number + 1 :]] == ["queued"] * (2 - number)
        probe.gate(f"g{number}").set()
        assert run.wait().state == "success"
    assert rota.app.locks.list("k") == []


def test_a_lock_is_reentrant_for_what_is_inside(rota: Rota) -> None:
    rota.deploy("tasks: [{id: inner, type: log, lock: k, message: in the subflow}]", "child")
    run = rota.run("""
        tasks:
          - id: outer
            type: sequential
            lock: k
            tasks:
              - {id: a, type: log, lock: k, message: a}
              - id: f
                type: fleet
                targets: [1, 2]
                lock: k
                tasks: [{id: t, type: log, lock: k, message: t}]
              - {id: sub, type: subflow, flow: child}
            finally: [{id: fin, type: log, lock: k, message: fin}]
        """)
    assert run.state == "success", (run.problem, run.states)
    assert run.lines == ["a", "t", "t", "fin"]
    assert rota.app.locks.list() == []


def test_a_circle_is_refused_naming_the_chain(rota: Rota) -> None:
    source = """
        tasks:
          - id: first
            type: sequential
            lock: {one}
            tasks:
              - {{id: meet, type: probe.hold, gate: {gate}}}
              - {{id: second, type: log, lock: {two}, message: x}}
        """
    left = rota.start(source.format(one="x", two="y", gate="left")).until("meet", "running")
    right = rota.start(source.format(one="y", two="x", gate="right")).until("meet", "running")
    probe.gate("left").set()
    left.until("second", "queued")
    probe.gate("right").set()
    right.wait()
    assert right.state == "failed"
    assert right.problem["type"] == "lock"
    assert all(word in right.problem["message"] for word in ("`x`", "`y`", "circle", left.id))
    assert left.wait().state == "success"


def test_waiting_for_a_lock_has_an_end(rota: Rota) -> None:
    holder = rota.start(HOLD.format(gate="g", key="k")).until("a", "running")
    run = rota.run("""
        inputs: [{id: w, type: duration, default: 50ms}]
        tasks:
          - {id: b, type: log, lock: {key: k, wait: "{{ inputs.w }}"}, message: x, retry: {attempts: 2}, allow_failure: true}
          - id: each
            type: foreach
            items: [k, free]
            lock: {key: "{{ item }}", wait: 50ms}
            concurrency: 2
            max_failures: 1
            tasks: [{id: t, type: log, message: "{{ item }}"}]
        """)
    assert run.state == "warning"
    assert "longer than its `wait`" in run.error("b")
    assert run.lines == ["free"]
    assert run.output("each")["failed"] == ["0"]
    probe.gate("g").set()
    assert holder.wait().state == "success"
    assert rota.app.locks.list() == []


def test_targets_with_locks_hold_no_place_while_they_wait(rota: Rota) -> None:
    holder = rota.start(HOLD.format(gate="g", key="t/a")).until("a", "running")
    run = rota.start("""
        tasks:
          - id: f
            type: fleet
            targets: [a, b, c]
            lock: "t/{{ target }}"
            rollout: {max_parallel: 1}
            tasks: [{id: w, type: log, message: "{{ target }}"}]
        """)
    eventually(lambda: run.lines == ["b", "c"])
    assert "f[a]/w" not in run.states
    probe.gate("g").set()
    run.wait(), holder.wait()
    assert run.lines == ["b", "c", "a"]


def test_a_lock_is_kept_over_retries_and_freed_after_finally(rota: Rota) -> None:
    run = rota.start("""
        tasks:
          - id: s
            type: sequential
            lock: k
            retry: {attempts: 2}
            tasks: [{id: bad, type: fail}]
            finally: [{id: fin, type: probe.hold, gate: fin}]
        """).until("fin", "running")
    assert [(row["key"], row["held"]) for row in rota.app.locks.list()] == [("k", True)]
    probe.gate("fin").set()
    run.wait()
    assert rota.app.locks.list() == []


def test_a_cancelled_waiter_leaves_the_queue(rota: Rota) -> None:
    holder = rota.start(HOLD.format(gate="g", key="k")).until("a", "running")
    waiter = rota.start(HOLD.format(gate="g", key="k")).until("a", "queued")
    eventually(lambda: len(rota.app.locks.list("k")) == 2)
    rota.app.executions.cancel(waiter.id)
    assert waiter.wait().state == "cancelled"
    assert len(rota.app.locks.list("k")) == 1
    probe.gate("g").set()
    holder.wait()


@pytest.mark.parametrize("key", ["'{{ none }}'", "'{{ [1] }}'"])
def test_a_key_that_is_no_text_fails_the_task(key: str, rota: Rota) -> None:
    run = rota.run(f"tasks: [{{id: a, type: log, lock: {key}, message: x}}]")
    assert run.state == "failed"
