"""What keeps ending its servers is given up; what is merely there when they end is not."""

from __future__ import annotations

from pathlib import Path

from tests.recovery.site import Site

ONE = """
id: one
inputs:
  - {id: door, type: string, default: /}
tasks:
  - {id: work, type: ledger.again, until: "{{ inputs.door }}"}
finally:
  - {id: last, type: ledger.again}
"""
WAITING = """
id: waiting
tasks:
  - {id: before, type: ledger.again}
  - {id: answer, type: pause, inputs: [{id: word, type: string}]}
"""
ALONE = """
id: alone
concurrency: {limit: 1, on_limit: queue}
tasks:
  - {id: answer, type: pause, inputs: [{id: word, type: string}]}
"""
PICKED = """
id: picked
inputs:
  - {id: door, type: string}
tasks:
  - {id: work, type: ledger.once, until: "{{ inputs.door }}"%s}
errors:
  - {id: told, type: ledger.again}
"""


def test_an_execution_taken_over_five_times_without_progress_is_poison(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        site.deploy(ONE)
        server = site.serve()
        door = tmp_path / "door"
        execution = site.start("one", {"door": str(door)})
        site.until(site.ledger, "work to begin")
        server.kill()
        for _ in range(4):
            assert site.launch("serve", failpoint="adoption.after_commit").wait() == -9
        last = site.serve()
        row = site.ended(execution)
        assert (row["state"], row["problem"]["type"], row["adoptions"]) == ("failed", "poison", 5)
        assert f"`rota executions restart {execution}` goes on with it" in last.output()
        assert site.states(execution) == {"": "failed", "work": "lost"}
        door.touch()
        site.app.executions.restart(execution)
        assert site.ended(execution)["state"] == "success", (site.row(execution), site.states(execution), site.story())


def test_an_execution_that_waits_for_a_person_outlives_any_number_of_servers(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        site.deploy(WAITING)
        server = site.serve()
        execution = site.start("waiting")
        site.until(lambda: site.row(execution)["state"] == "paused", "the pause")
        for _ in range(6):
            server.kill()
            before = site.row(execution)["owner"]
            server = site.serve()
            site.until(lambda before=before: site.row(execution)["owner"] != before, "the adoption")  # type: ignore[misc]
            site.until(lambda: site.row(execution)["adoptions"] == 0, "its being forgotten")
        site.app.executions.resume(execution, inputs={"word": "on"})
        assert site.ended(execution)["state"] == "success", (site.row(execution), site.states(execution), site.story())


def test_an_execution_that_waits_for_its_place_outlives_any_number_of_servers(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        site.deploy(ALONE)
        server = site.serve()
        first = site.start("alone")
        site.until(lambda: site.row(first)["state"] == "paused", "the first to have its place")
        second = site.start("alone")
        site.until(lambda: site.row(second)["state"] == "queued", "the second to wait")
        for _ in range(6):
            server.kill()
            before = site.row(second)["owner"]
            server = site.serve()
            site.until(lambda before=before: site.row(second)["owner"] != before, "the adoption")  # type: ignore[misc]
            site.until(lambda: site.row(second)["adoptions"] == 0, "its being forgotten")
        for execution in (first, second):
            site.until(lambda execution=execution: site.row(execution)["state"] == "paused", "its turn")  # type: ignore[misc]
            site.app.executions.resume(execution, inputs={"word": "on"})
            assert site.ended(execution)["state"] == "success", (site.row(execution), site.story())


def test_a_task_lost_twice_has_failed_whatever_its_type(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        site.deploy(ONE)
        execution = site.start("one")
        for _ in range(2):
            assert site.launch("serve", failpoint="task.after_effect").wait() == -9
        site.serve()
        row = site.ended(execution)
        assert (row["state"], row["problem"]["type"]) == ("failed", "lost")
        assert site.states(execution) == {"": "failed", "work": "failed", "last": "success"}
        assert [one["state"] for one in site.app.executions.attempts(execution)] == ["lost", "lost"]
        assert site.starts(execution, "work") == 2


def test_a_lost_task_does_what_on_lost_says(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        retried = PICKED % ", on_lost: retry"
        again = PICKED.replace("picked", "tried") % ", retry: {attempts: 2}"
        failed = PICKED.replace("picked", "left") % ", retry: {attempts: 2}, on_lost: fail"
        site.deploy(retried, again, failed)
        server = site.serve()
        door = tmp_path / "door"
        executions = {flow: site.start(flow, {"door": str(door)}) for flow in ("picked", "tried", "left")}
        site.until(lambda: len(site.ledger()) == 3, "work to begin")
        server.kill()
        door.touch()
        site.serve()
        ends = {flow: site.ended(execution)["state"] for flow, execution in executions.items()}
        assert ends == {"picked": "success", "tried": "success", "left": "failed"}
        assert [site.starts(executions[flow], "work") for flow in ends] == [2, 2, 1]
        assert site.states(executions["left"])["told"] == "success"
