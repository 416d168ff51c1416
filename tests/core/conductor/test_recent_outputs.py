"""The outputs that were written last: kept as they are in the store, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from rota.conductor import recent_outputs
from rota.conductor.recent_outputs import RecentOutputs
from rota.store.task_runs import LINE

ADDRESS = ("e", "f[a]", "dump")


def line(**values: Any) -> tuple[Any, ...]:
    known = dict(zip(LINE, (*ADDRESS, "output"), strict=False)) | {"state": "success", "output": '{"n":1}'} | values
    return tuple(known.get(name) for name in LINE)


def test_the_output_of_what_ended_well_is_kept_as_it_was_written() -> None:
    outputs = RecentOutputs()
    outputs.take_in([line(), line(node="warned", state="warning", output="[2]")])
    assert outputs.get(ADDRESS) == '{"n":1}'
    assert outputs.get(("e", "f[a]", "warned")) == "[2]"


@pytest.mark.parametrize(
    "later", [line(state="running", output=None), line(state="failed"), line(output=None)], ids=["again", "bad", "none"]
)
def test_a_later_row_of_the_same_task_run_takes_its_place(later: tuple[Any, ...]) -> None:
    outputs = RecentOutputs()
    outputs.take_in([line()])
    outputs.take_in([later])
    assert outputs.get(ADDRESS) is None


def test_secrets_and_long_outputs_are_left_to_the_store() -> None:
    outputs = RecentOutputs()
    outputs.take_in([line(output='{"key":{"$secret":"sealed"}}'), line(node="long", output=f'"{"x" * 70_000}"')])
    assert outputs.get(ADDRESS) is None
    assert outputs.get(("e", "f[a]", "long")) is None


def test_the_oldest_go_first_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent_outputs, "MOST", 5_000)
    outputs = RecentOutputs()
    outputs.take_in([line(node=f"t{number}") for number in range(100)])
    kept = [number for number in range(100) if outputs.get(("e", "f[a]", f"t{number}"))]
    assert kept == list(range(100 - len(kept), 100))
    assert 5 < len(kept) < 20


def test_an_execution_that_another_process_may_have_gone_on_with_is_forgotten() -> None:
    outputs = RecentOutputs()
    outputs.take_in([line(), line(execution_id="other")])
    outputs.forget("e")
    assert outputs.get(ADDRESS) is None
    assert outputs.get(("other", "f[a]", "dump")) == '{"n":1}'
