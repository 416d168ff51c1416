"""Following an execution: everything is told once, in order, however much it is and whenever one begins to look."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rota.flows.loader import parse_flow
from rota.server.application import Application
from rota.server.watching import Update
from rota.settings import load_settings

MANY = """\
id: many
tasks:
  - id: each
    type: foreach
    items: range(COUNT) | list
    concurrency: 20
    max_failures: 100%
    tasks:
      - {id: say, type: log, message: "{{ index }}"}
"""
FRAGILE = """\
id: fragile
tasks:
  - {id: first, type: log, message: first}
  - {id: second, type: fail, message: on purpose}
"""


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Application]:
    """An application with a home of its own."""
    file = tmp_path / "rota.yaml"
    file.write_text("home: home\ndurability: process\n")
    with Application(load_settings(file, env={})) as opened:
        yield opened


def run(app: Application, source: str) -> str:
    return app.executions.run_file(parse_flow(source), {})


def test_every_line_and_every_end_is_told_once(app: Application) -> None:
    execution = run(app, MANY.replace("COUNT", "2500"))
    updates: list[Update] = list(app.executions.watch(execution, interval=0.01))
    lines = [line["message"] for update in updates for line in update.lines]
    ends = [row["key"] for update in updates for row in update.iterations]
    assert sorted(lines, key=int) == sorted(ends, key=int) == [str(index) for index in range(2500)]
    assert [update.ended for update in updates] == [False] * (len(updates) - 1) + [True]


def test_one_that_has_ended_is_told_from_its_beginning(app: Application) -> None:
    execution = run(app, MANY.replace("COUNT", "3"))
    app.executions.wait(execution)
    [update] = app.executions.watch(execution)
    assert [node["node"] for node in update.nodes] == ["each"]
    assert len(update.iterations) == len(update.lines) == 3


def test_made_before_a_restart_it_tells_of_what_comes_after(app: Application) -> None:
    execution = run(app, FRAGILE)
    app.executions.wait(execution)
    watch = app.executions.watch(execution, restart=True)
    app.executions.restart(execution)
    updates = list(watch)
    assert {node["node"] for update in updates for node in update.nodes} == {"second"}
    assert [line for update in updates for line in update.lines if line["node"] == "first"] == []
    assert updates[-1].execution["run"] == 2


def test_progress_counts_runs_and_iterations_by_state(app: Application) -> None:
    execution = run(app, MANY.replace("COUNT", "30"))
    app.executions.wait(execution)
    progress = app.executions.progress(execution)
    assert progress.iterations == {"each": {"success": 30}}
    assert progress.tasks["say"] == {"success": 30}
