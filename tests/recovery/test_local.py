"""`rota run FILE` owns its execution: when it dies, whoever writes next says what became of it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.recovery.site import Server, Site

FLOW = """
id: byhand
tasks:
  - {id: first, type: ledger.once}
  - {id: second, type: ledger.again, seconds: "{{ 60 if task.attempt == 1 else 0 }}"}
  - id: tries
    type: repeat
    until: index >= 2
    max_iterations: 5
    tasks:
      - {id: look, type: ledger.again, value: "{{ index }}"}
finally:
  - {id: last, type: ledger.again}
"""


def _killed(site: Site) -> tuple[Server, str]:
    file = site.folder / "byhand.yaml"
    file.write_text(FLOW)
    run = site.launch("run", str(file))
    site.until(lambda: any(line["task"] == "second" for line in site.ledger()), "the second task")
    run.kill()
    return run, str(site.ledger()[0]["execution"])


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_the_next_one_that_writes_marks_what_a_killed_run_has_left(
    tmp_path: Path, request: pytest.FixtureRequest, database: str
) -> None:
    store = request.getfixturevalue("postgres_url") if database == "postgresql" else None
    with Site(tmp_path, store) as site:
        _, execution = _killed(site)
        assert site.row(execution)["state"] == "running"
        said = ""
        while not said:  # the lease of the dead one must end first
            other = site.launch("kv", "set", "default", "word", "1")
            assert other.wait() == 0, other.output()
            said = other.output() if "has failed" in other.output() else ""
        assert f"rota executions restart {execution}" in said
        row = site.row(execution)
        assert (row["state"], row["problem"]["type"]) == ("failed", "lost")
        assert site.states(execution) == {"": "failed", "first": "success", "second": "lost"}
        again = site.launch("executions", "restart", execution)
        assert again.wait() == 0, again.output()
        assert site.row(execution)["state"] == "success"
        assert site.starts(execution, "first") == 1
        assert site.starts(execution, "second") == 2


def test_a_run_that_is_told_to_stop_leaves_nothing_running(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        file = tmp_path / "byhand.yaml"
        file.write_text(FLOW)
        run = site.launch("run", str(file))
        site.until(lambda: any(line["task"] == "second" for line in site.ledger()), "the second task")
        run.signal(signal.SIGINT)
        assert run.wait() == 130
        execution = str(site.ledger()[0]["execution"])
        row = site.row(execution)
        assert row["state"] == "cancelled", f"{row['problem']}\n{run.output()}"
        assert site.states(execution)["last"] == "success"


def test_a_server_marks_what_a_killed_run_has_left_and_runs_none_of_it(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        _, execution = _killed(site)
        server = site.serve()
        row = site.ended(execution)
        assert (row["state"], row["problem"]["type"]) == ("failed", "lost")
        assert f"`rota executions restart {execution}` goes on with it" in server.output()
        assert site.starts(execution, "second") == 1


def test_a_repeat_that_was_interrupted_goes_on_where_it_was(tmp_path: Path) -> None:
    source = FLOW.replace('value: "{{ index }}"', 'seconds: "{{ 60 if index == 1 and task.attempt == 1 else 0 }}"')
    with Site(tmp_path) as site:
        file = tmp_path / "byhand.yaml"
        file.write_text(source.replace('"{{ 60 if task.attempt == 1 else 0 }}"', "0"))
        run = site.launch("run", str(file))
        site.until(lambda: any(line["task"] == "tries[1]/look" for line in site.ledger()), "the second iteration")
        run.kill()
        execution = str(site.ledger()[0]["execution"])
        again = site.launch("executions", "restart", execution)
        assert again.wait() == 0, again.output()
        assert site.row(execution)["state"] == "success"
        assert [site.starts(execution, f"tries[{index}]/look") for index in range(3)] == [1, 2, 1]
