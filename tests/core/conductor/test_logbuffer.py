"""Lines on their way to the store: bounded, in order, a task that logs too much waits."""

from __future__ import annotations

import threading

import pytest

from rota.conductor import logbuffer
from rota.conductor.batch import Batch
from rota.conductor.logbuffer import LogBuffer


def test_lines_come_in_order_and_in_parts() -> None:
    woken = []
    lines = LogBuffer(lambda: woken.append(1))
    lines.lines("e", "", "a", 1, "info", [str(number) for number in range(logbuffer.AT_ONCE + 10)])
    lines.line("e", "", "a", 1, "error", "last", {"n": 1})
    assert woken == [1], "woken once, not for each line"
    batch = Batch()
    lines.drain(batch)
    assert [row["message"] for row in batch.logs] == [str(number) for number in range(logbuffer.AT_ONCE)]
    lines.drain(batch)
    assert (batch.logs[-1]["message"], batch.logs[-1]["fields"]) == ("last", {"n": 1})


def test_a_turn_in_which_a_task_ended_takes_all_of_them() -> None:
    lines = LogBuffer(lambda: None)
    lines.lines("e", "", "a", 1, "info", ["x"] * (logbuffer.AT_ONCE * 2))
    batch = Batch(whole_logs=True)
    lines.drain(batch)
    assert len(batch.logs) == logbuffer.AT_ONCE * 2


@pytest.mark.parametrize("limit", ["MOST", "LARGEST"])
def test_who_logs_too_much_waits_until_there_is_room(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logbuffer, limit, 100)
    lines = LogBuffer(lambda: None)
    lines.lines("e", "", "a", 1, "info", ["x" * 10] * 101)
    passed = threading.Event()

    def log() -> None:
        lines.line("e", "", "a", 1, "info", "one more", {})
        passed.set()

    threading.Thread(target=log, daemon=True).start()
    assert not passed.wait(0.05)
    lines.drain(Batch())
    assert passed.wait(10)


def test_nobody_waits_once_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logbuffer, "MOST", 1)
    lines = LogBuffer(lambda: None)
    lines.line("e", "", "a", 1, "info", "one", {})
    lines.close()
    lines.line("e", "", "a", 1, "info", "two", {})


def test_only_the_latest_progress_is_kept() -> None:
    lines = LogBuffer(lambda: None)
    for done in (1.0, 2.0):
        lines.progress("e", "", "a", {"done": done, "total": 3.0})
    batch = Batch()
    lines.drain(batch)
    assert [row["progress"] for row in batch.progress] == [{"done": 2.0, "total": 3.0}]
