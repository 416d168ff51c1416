"""A server that is told to stop: nothing new starts, what is idle is handed over, what runs too long is lost."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.recovery.site import Site

SHORT = """
id: short
tasks:
  - {id: work, type: ledger.once, seconds: 3}
  - {id: next, type: ledger.once}
"""
LONG = """
id: long
tasks:
  - id: both
    type: parallel
    fail_fast: false
    tasks:
      - {id: again, type: ledger.again, seconds: "{{ 60 if task.attempt == 1 else 0 }}"}
      - {id: once, type: ledger.once, seconds: 60}
finally:
  - {id: last, type: ledger.again}
"""
WAITING = """
id: waiting
tasks:
  - {id: before, type: ledger.again}
  - {id: nap, type: sleep, duration: 1h}
"""
CALLING = """
id: calling
tasks:
  - {id: call, type: subflow, flow: waiting}
"""
STUBBORN = """
id: stubborn
tasks:
  - {id: stuck, type: ledger.stubborn, until: %s}
"""


def test_what_runs_may_end_and_nothing_new_starts(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        site.deploy(SHORT)
        server = site.serve()
        execution = site.start("short")
        site.until(site.ledger, "work to begin")
        server.signal(signal.SIGTERM)
        server.wait_for("draining")
        late = site.start("short")
        assert server.wait() == 0
        assert site.states(execution) == {"": "running", "work": "success", "next": "queued"}
        assert site.row(execution)["owner"] is None
        assert (site.row(late)["owner"], site.starts(late, "work")) == (None, 0)
        site.serve()
        assert [site.ended(one)["state"] for one in (execution, late)] == ["success", "success"]
        assert [site.starts(execution, task) for task in ("work", "next")] == [1, 1]
        assert site.row(execution)["adoptions"] == 0


def test_executions_with_nothing_running_are_handed_over_at_once(tmp_path: Path) -> None:
    with Site(tmp_path, drain_timeout="60s") as site:
        site.deploy(WAITING, CALLING, LONG)
        server = site.serve()
        idle = [site.start("waiting"), site.start("calling")]
        busy = site.start("long")
        site.until(lambda: len(site.ledger()) >= 4 and site.states(idle[1]).get("call"), "work to begin")
        site.until(lambda: all("nap" in site.states(one) for one in _waiting(site, idle)), "the naps")
        server.signal(signal.SIGTERM)
        other = site.serve()
        owned = site.row(busy)["owner"]
        site.until(lambda: all(site.row(one)["owner"] not in (None, owned) for one in _waiting(site, idle)), "takers")
        assert server.process.poll() is None
        assert site.row(busy)["owner"] == owned
        for one in idle:
            site.app.executions.cancel(one)
        assert [site.ended(one)["state"] for one in idle] == ["cancelled", "cancelled"]
        other.kill()


def _waiting(site: Site, idle: list[str]) -> list[str]:
    """The execution of `waiting`, and the one that `calling` waits for."""
    children = [row["id"] for row in site.app.executions.list(parent_id=idle[1])]
    return [idle[0], *children]


def test_what_runs_beyond_the_drain_timeout_is_lost_and_follows_on_lost(tmp_path: Path) -> None:
    with Site(tmp_path, drain_timeout="300ms") as site:
        site.deploy(LONG)
        server = site.serve()
        execution = site.start("long")
        site.until(lambda: len(site.ledger()) == 2, "work to begin")
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        _lost_by_shutdown(site, execution)


def test_a_second_signal_ends_what_runs_at_once(tmp_path: Path) -> None:
    with Site(tmp_path, drain_timeout="10m") as site:
        site.deploy(LONG)
        server = site.serve()
        execution = site.start("long")
        site.until(lambda: len(site.ledger()) == 2, "work to begin")
        server.signal(signal.SIGTERM)
        server.wait_for("draining")
        assert server.process.poll() is None
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        _lost_by_shutdown(site, execution)


def _lost_by_shutdown(site: Site, execution: str) -> None:
    states = site.states(execution)
    assert (states["both"], states["again"], states["once"]) == ("running", "queued", "lost")
    assert site.runs(execution)["once"]["problem"]["type"] == "shutdown"
    site.serve()
    row = site.ended(execution)
    assert (row["state"], row["problem"]["type"]) == ("failed", "shutdown")
    states = site.states(execution)
    assert (states["both"], states["again"], states["once"], states["last"]) == ("failed", "success", "lost", "success")
    assert [site.starts(execution, task) for task in ("again", "once")] == [2, 1]


def test_a_task_that_ignores_the_shutdown_is_lost_too(tmp_path: Path) -> None:
    with Site(tmp_path, drain_timeout="100ms") as site:
        site.deploy(STUBBORN % (tmp_path / "never"))
        server = site.serve()
        execution = site.start("stubborn")
        site.until(site.ledger, "work to begin")
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        row = site.runs(execution)["stuck"]
        assert (row["state"], row["problem"]["type"]) == ("lost", "shutdown")
        assert site.row(execution)["state"] == "failed"
