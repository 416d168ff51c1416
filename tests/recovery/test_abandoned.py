"""Tasks that ignore their cancellation: given up, told of, their locks kept until their threads have ended."""

from __future__ import annotations

from pathlib import Path

from rota.store import locks
from tests.recovery.site import Site

STUCK = """
id: stuck
tasks:
  - id: alone
    type: sequential
    lock: shared
    tasks:
      - {id: deaf, type: ledger.stubborn, until: %s, timeout: 2s}
finally:
  - {id: last, type: ledger.again}
"""
NEXT = """
id: next
tasks:
  - {id: work, type: ledger.once, lock: shared}
"""
PLACED = """
id: placed
concurrency: {limit: 1}
inputs: [{id: door, type: string, default: /}]
tasks:
  - {id: deaf, type: ledger.stubborn, until: "{{ inputs.door }}", timeout: 2s}
"""
FREE = """
id: free
tasks:
  - {id: work, type: ledger.once}
"""


def _stuck(site: Site) -> str:
    execution = site.start("stuck")
    site.until(lambda: site.ledger(execution), "the task to begin")
    return execution


def test_a_task_that_ignores_its_timeout_is_given_up_and_keeps_its_lock(tmp_path: Path) -> None:
    door = tmp_path / "door"
    with Site(tmp_path) as site:
        site.deploy(STUCK % door, NEXT, FREE)
        site.serve()
        execution = _stuck(site)
        row = site.ended(execution)
        assert (row["state"], row["problem"]["type"]) == ("failed", "timeout")
        assert "its thread still runs" in row["problem"]["message"]
        assert site.states(execution) == {"": "failed", "alone": "failed", "deaf": "failed", "last": "success"}
        waiting = site.start("next")
        assert site.ended(site.start("free"))["state"] == "success"
        site.until(lambda: len(_requests(site)) == 2, "the request for the lock")
        assert [(one["execution_id"], one["held"]) for one in _requests(site)] == [(execution, True), (waiting, False)]
        door.touch()
        assert site.ended(waiting)["state"] == "success"
        assert _requests(site) == []
        # What it brought at last is refused.
        assert [line["event"] for line in site.ledger(execution) if line["task"] == "deaf"] == ["start", "end"]
        assert site.states(execution)["deaf"] == "failed"


def test_a_place_is_held_until_the_thread_that_took_it_has_ended(tmp_path: Path) -> None:
    door = tmp_path / "door"
    with Site(tmp_path) as site:
        site.deploy(PLACED)
        site.serve()
        first = site.start("placed", {"door": str(door)})
        site.until(lambda: site.ledger(first), "the task to begin")
        assert site.ended(first)["state"] == "failed"
        second = site.start("placed")
        site.until(lambda: site.row(second)["state"] == "queued", "its turn")
        door.touch()
        assert site.ended(second)["state"] == "success"
        ended = next(line["at"] for line in site.ledger(first) if line["event"] == "end")
        assert site.ledger(second)[0]["at"] > ended
        assert _requests(site) == []


def test_with_too_many_of_them_the_server_takes_no_more_work_and_says_so(tmp_path: Path) -> None:
    door = tmp_path / "door"
    with Site(tmp_path, max_abandoned=1) as site:
        site.deploy(STUCK % door, FREE)
        server = site.serve()
        execution = _stuck(site)
        server.wait_for("no more work is taken")
        later = [site.start("free") for _ in range(3)]
        door.touch()
        assert [site.ended(one)["state"] for one in later] == ["success"] * 3
        server.wait_for("work is taken again")
        ended = next(line["at"] for line in site.ledger(execution) if line["event"] == "end")
        assert all(line["at"] > ended for one in later for line in site.ledger(one))


def test_a_lock_kept_by_a_thread_is_free_when_its_server_has_died(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        site.deploy(STUCK % (tmp_path / "never"), NEXT)
        server = site.serve()
        execution = _stuck(site)
        site.ended(execution)
        waiting = site.start("next")
        site.until(lambda: len(_requests(site)) == 2, "the request for the lock")
        server.kill()
        site.serve()
        assert site.ended(waiting)["state"] == "success"
        assert _requests(site) == []


def _requests(site: Site) -> list[dict[str, object]]:
    with site.app.store.read() as conn:
        return locks.page(conn)
