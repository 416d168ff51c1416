"""Task runs, attempts, iterations and timers."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from rota.store import Store, iterations, task_runs, timers
from tests.core.store.rows import execution, task_run

ID = execution(1)["id"]


def test_lines_are_rows_without_their_names(store: Store) -> None:
    first = (ID, "", "a", "log", "running", 1, 1, "", None, '{"left":[1]}', None, "1.0", 5.0, None)
    last = (ID, "", "a", "log", "failed", 1, 1, "", '{"type":"E"}', None, "[1]", None, None, 6.0)
    with store.write() as conn:
        task_runs.save_lines(conn, [])
        task_runs.save_lines(conn, [first])
    with store.write() as conn:
        task_runs.save_lines(conn, [last])
    with store.read() as conn:
        found = task_runs.get(conn, ID, "", "a") or {}
    assert (found["state"], found["problem"], found["data"], found["output"]) == ("failed", {"type": "E"}, None, "[1]")
    assert (found["plugin"], found["started_at"], found["ended_at"]) == ("1.0", 5.0, 6.0)


def test_a_task_run_is_inserted_then_replaced_and_keeps_its_output(store: Store) -> None:
    with store.write() as conn:
        task_runs.save(conn, [task_run("a", output='{"x":1}', data={"left": [[0, 3]]}), task_run("b")])
    problem = {"type": "TaskFailed", "message": "no \x00 room"}
    with store.write() as conn:
        task_runs.save(conn, [task_run("a", state="failed", attempt=2, problem=problem, ended_at=1.5)])
    with store.read() as conn:
        a, b = task_runs.of_execution(conn, ID)
        assert (a["state"], a["attempt"], a["problem"], a["data"], a["ended_at"]) == ("failed", 2, problem, {}, 1.5)
        assert (b["state"], b["problem"]) == ("running", None)
        assert "output" not in a
        assert task_runs.output(conn, ID, "", "a") == '{"x":1}'
        assert task_runs.output(conn, ID, "", "b") is None
        assert task_runs.outputs(conn, ID, "", ["a", "b", "c"]) == {"a": '{"x":1}'}
        assert (task_runs.get(conn, ID, "", "a") or {})["output"] == '{"x":1}'


def test_the_last_of_two_rows_in_one_call_stays_with_the_output_of_the_first(store: Store) -> None:
    with store.write() as conn:
        task_runs.save(conn, [task_run("a", output="1"), task_run("a", state="success")])
        task_runs.save(conn, [])
    with store.read() as conn:
        (row,) = task_runs.of_execution(conn, ID)
        assert row["state"] == "success"
        assert task_runs.output(conn, ID, "", "a") == "1"


def test_an_output_is_replaced_and_removed(store: Store) -> None:
    with store.write() as conn:
        task_runs.save(conn, [task_run("a", output="1")])
        task_runs.set_output(conn, ID, "", "a", "2")
        assert task_runs.output(conn, ID, "", "a") == "2"
        task_runs.set_output(conn, ID, "", "a", None)
        assert task_runs.output(conn, ID, "", "a") is None


def test_progress_changes_nothing_else(store: Store) -> None:
    with store.write() as conn:
        task_runs.save(conn, [task_run("a"), task_run("b")])
        task_runs.save_progress(conn, [{**task_run(node), "progress": [1, 10]} for node in "ab"])
        assert [row["progress"] for row in task_runs.of_execution(conn, ID)] == [[1, 10], [1, 10]]


def test_times_and_floats_come_back_as_they_went(store: Store) -> None:
    at = 1795421455.8540593
    with store.write() as conn:
        task_runs.save(conn, [task_run("a", queued_at=at, data={"half": 0.1 + 0.2, "zero": 0, "none": None, "no": []})])
        (row,) = task_runs.of_execution(conn, ID)
    assert row["queued_at"] == at
    assert row["data"] == {"half": 0.1 + 0.2, "zero": 0, "none": None, "no": []}


def test_frames_and_pages(store: Store) -> None:
    with store.write() as conn:
        task_runs.save(conn, [task_run(node, path=path) for path in ("", "f[0]", "f[1]") for node in ("", "x", "y")])
        assert {row["node"] for row in task_runs.of_frame(conn, ID, "f[1]")} == {"", "x", "y"}
        seen: list[tuple[str, str]] = []
        while rows := task_runs.page(conn, ID, after=seen[-1] if seen else None, limit=2):
            seen += [(row["path"], row["node"]) for row in rows]
        assert seen == [(path, node) for path in ("", "f[0]", "f[1]") for node in ("", "x", "y")]
        assert len(task_runs.page(conn, ID, path="f[0]", states=["running"])) == 3
        assert task_runs.page(conn, ID, states=["failed"]) == []
        assert len(task_runs.of_executions(conn, [ID, "other"], ["running", "paused"])) == 9


def test_earlier_attempts_are_kept(store: Store) -> None:
    rows = [
        {**task_run("a"), "attempt": attempt, "state": "failed", "problem": {"message": str(attempt)}}
        for attempt in (1, 2)
    ]
    with store.write() as conn:
        task_runs.save_attempts(conn, rows)
        task_runs.save_attempts(conn, [{**rows[1], "state": "lost"}])
        found = task_runs.attempts_of(conn, ID, "", "a")
        assert [(row["attempt"], row["state"]) for row in found] == [(1, "failed"), (2, "lost")]
        assert task_runs.attempts_of(conn, ID, "elsewhere") == []


def _iteration(idx: int, **values: Any) -> dict[str, Any]:
    return {"execution_id": ID, "path": "", "node": "fleet", "idx": idx, "key": f"db-{idx}", **values}


def test_iterations_are_frozen_in_order_with_their_items(store: Store) -> None:
    with store.write() as conn:
        iterations.insert_many(conn, [_iteration(idx, item={"n": idx}, lock_key=f"l/{idx}") for idx in range(1200)])
    with store.read() as conn:
        page = iterations.page(conn, ID, "", "fleet", limit=500)
        assert [row["idx"] for row in page] == list(range(500))
        assert page[7]["item"] == {"n": 7}
        assert "item" not in iterations.page(conn, ID, "", "fleet", after=1198, items=False)[0]
        assert (iterations.get(conn, ID, "", "fleet", 3) or {})["key"] == "db-3"
        assert iterations.get(conn, ID, "", "fleet", 9999) is None
        assert iterations.indexes(conn, ID, "", "fleet", ["db-9", "db-1199", "nobody"]) == {"db-9": 9, "db-1199": 1199}
        assert iterations.keys(conn, ID, "", "fleet")[2] == (2, "db-2", "l/2")


def test_keys_of_iterations_are_unique(store: Store) -> None:
    from rota.errors import StoreError

    with pytest.raises(StoreError), store.write() as conn:
        iterations.insert_many(conn, [_iteration(0), _iteration(1, key="db-0")])
    with store.read() as conn:
        assert iterations.page(conn, ID, "", "fleet") == []


def test_a_restart_runs_the_ranges_that_did_not_succeed(store: Store) -> None:
    states = ["success", "failed", "lost", "warning", "cancelled", "skipped", "not_started", "created"]
    with store.write() as conn:
        iterations.insert_many(conn, [_iteration(idx, item=idx) for idx in range(len(states))])
        end = {"problem": None, "collected": {"bytes": 1}, "started_at": 1.0, "ended_at": 2.0}
        iterations.save_ends(conn, [_iteration(idx, state=state, **end) for idx, state in enumerate(states)])
    with store.read() as conn:
        assert iterations.undone(conn, ID, "", "fleet") == [[1, 2], [4, 4], [6, 7]]
        assert iterations.counts(conn, ID, "", "fleet") == dict.fromkeys(states, 1)
        (failed,) = iterations.page(conn, ID, "", "fleet", states=["failed"])
        assert (failed["item"], failed["collected"], failed["ended_at"]) == (1, {"bytes": 1}, 2.0)
    with store.write() as conn:
        iterations.remove(conn, ID, "", "fleet")
        assert iterations.undone(conn, ID, "", "fleet") == []


def test_timers_are_set_moved_and_cleared(store: Store) -> None:
    def timer(node: str, name: str, due: float = 0.0) -> dict[str, Any]:
        return {"execution_id": ID, "path": "", "node": node, "name": name, "due_at": due}

    with store.write() as conn:
        timers.save(conn, [timer("a", "timeout", 9.5), timer("a", "retry", 3.0), timer("b", "sleep", 1.0)])
        timers.save(conn, [timer("a", "timeout", 2.0)])
        timers.clear(conn, [timer("b", "sleep"), timer("b", "unknown")])
        timers.clear(conn, [])
        assert [(row["name"], row["due_at"]) for row in timers.of_execution(conn, ID)] == [
            ("timeout", 2.0),
            ("retry", 3.0),
        ]
        timers.clear_all(conn, [ID])
        assert timers.of_execution(conn, ID) == []


def test_saving_many_rows_takes_one_statement_at_most(store: Store) -> None:
    count = 0

    def counted(*_: Any) -> None:
        nonlocal count
        count += 1

    with store.write() as conn:
        sa.event.listen(conn, "before_cursor_execute", counted)
        task_runs.save(conn, [task_run(f"t{number}") for number in range(500)])
        assert count <= 1
        assert len(task_runs.of_execution(conn, ID)) == 500
