"""Cancelling: what runs is really ended, `finally` runs, what has not begun never does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from rota.errors import Conflict
from tests.flows import probe
from tests.flows.harness import Rota, eventually


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_shell_and_its_children_are_ended(rota: Rota, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    run = rota.start(f"""
        tasks:
          - id: sh
            type: shell
            command: |
              trap '' TERM
              sleep 300 & echo $! >> {pids}
              echo $$ >> {pids}
              wait
        finally: [{{id: fin, type: log, message: fin}}]
        """)
    eventually(lambda: pids.exists() and len(pids.read_text().split()) == 2)
    rota.app.executions.cancel(run.id)
    run.wait()
    assert run.states == {"sh": "cancelled", "fin": "success"}
    assert run.state == "cancelled"
    assert not any(alive(int(pid)) for pid in pids.read_text().split())
    assert run.rows["sh"]["problem"]["type"] == "cancel"


def test_everything_under_way_is_cancelled_and_nothing_more_starts(rota: Rota) -> None:
    run = rota.start("""
        tasks:
          - id: par
            type: parallel
            tasks:
              - {id: hold, type: probe.hold, gate: never, partial: {half: true}}
              - {id: nap, type: sleep, duration: 1h}
              - {id: ask, type: pause}
              - id: f
                type: fleet
                targets: [a, b]
                rollout: {max_parallel: 1}
                tasks:
                  - {id: inner, type: probe.hold, gate: nor}
                finally: [{id: ffin, type: log, message: ffin}]
              - {id: later, type: log, needs: [hold], message: never}
          - {id: after, type: log, message: never}
        errors: [{id: err, type: log, message: never}]
        finally: [{id: fin, type: log, message: "fin {{ execution.state }}"}]
        """)
    run.holds("hold", "never").holds("f[a]/inner", "nor").until("ask", "paused")
    rota.app.executions.cancel(run.id)
    run.wait()
    assert run.state == "cancelled"
    assert run.states == {
        "par": "cancelled", "hold": "cancelled", "nap": "cancelled", "ask": "cancelled", "f": "cancelled",
        "f[a]/inner": "cancelled", "ffin": "success", "later": "not_started", "after": "not_started",
        "fin": "success",
    }  # fmt: skip
    assert run.lines == ["ffin", "fin cancelled"]
    assert run.output("hold") == {"passed": "never"}
    assert run.output("f")["counts"] == {"total": 2, "cancelled": 1, "not_started": 1}
    with pytest.raises(Conflict, match="ended already"):
        rota.app.executions.cancel(run.id)


def test_what_waits_for_a_worker_never_begins(make_rota: object) -> None:
    rota = make_rota(workers=1)  # type: ignore[operator]
    first = rota.start("tasks: [{id: a, type: probe.hold, gate: g}]")
    first.until("a", "running")
    second = rota.start("tasks: [{id: b, type: log, message: x}, {id: c, type: log, message: x}]")
    second.until("b", "queued")
    rota.app.executions.cancel(second.id)
    second.wait()
    assert second.state == "cancelled"
    assert second.states["b"] in ("not_started", "cancelled")
    probe.gate("g").set()
    assert first.wait().state == "success"
    assert second.lines == []


def test_a_cancel_during_finally_lets_it_run(rota: Rota) -> None:
    run = rota.start("""
        tasks: [{id: bad, type: fail}]
        finally: [{id: fin, type: probe.hold, gate: f}, {id: last, type: log, message: last}]
        """)
    run.until("fin", "running")
    rota.app.executions.cancel(run.id)
    probe.gate("f").set()
    run.wait()
    assert run.state == "failed"
    assert run.states == {"bad": "failed", "fin": "success", "last": "success"}


def test_too_many_deaf_tasks_stop_the_server_from_taking_work(make_rota: object) -> None:
    rota = make_rota(max_abandoned=1)  # type: ignore[operator]
    run = rota.start("tasks: [{id: a, type: probe.hold, gate: deaf, stubborn: true}]").holds("a", "deaf")
    rota.app.executions.cancel(run.id)
    run.wait()
    blocked = rota.start("tasks: [{id: b, type: log, message: x}]")
    blocked.until("b", "queued")
    probe.gate("deaf").set()
    assert blocked.wait().state == "success"
