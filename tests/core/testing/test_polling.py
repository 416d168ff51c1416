"""The fixture `poll`: a trigger sees from it what it would see of a server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from rota import Context, Event, TaskFailed, Trigger
from rota.testing import Poll, RecordedContext

ACKNOWLEDGED: list[list[str]] = []


class Counter(Trigger):
    """Give the numbers up to the next multiple of `step`."""

    step: int = 2
    """How many."""
    data: Any = None
    """What each has with it."""

    def poll(self, ctx: Context) -> Iterable[Event]:
        place = ctx.state.get("place", 0)
        ctx.state["place"] = place + self.step
        if self.data == "broken":
            raise ValueError("the source is away")
        return [Event(str(number), {"data": self.data}) for number in range(place, place + self.step)]

    def ack(self, events: list[Event]) -> None:
        ACKNOWLEDGED.append([event.key for event in events])


@pytest.fixture(autouse=True)
def _nothing_acknowledged() -> None:
    ACKNOWLEDGED.clear()


def keys(events: list[Event]) -> list[str]:
    return [event.key for event in events]


def test_each_poll_goes_on_where_the_last_one_was(poll: Poll) -> None:
    assert keys(poll(Counter())) == ["0", "1"]
    assert keys(poll(Counter(step=3))) == ["2", "3", "4"]
    assert ACKNOWLEDGED == [["0", "1"], ["2", "3", "4"]]


def test_what_was_seen_before_starts_nothing(poll: Poll, ctx: RecordedContext) -> None:
    poll(Counter())
    ctx.state["place"] = 1
    assert keys(poll(Counter())) == ["2"]
    assert ACKNOWLEDGED[-1] == ["1", "2"]


def test_a_server_that_dies_before_its_commit_took_nothing(poll: Poll, ctx: RecordedContext) -> None:
    assert poll(Counter(), dies="before_commit") == []
    assert (dict(ctx.state), ACKNOWLEDGED) == ({}, [])
    assert keys(poll(Counter())) == ["0", "1"]


def test_what_a_server_that_died_took_is_acknowledged_before_more_is_asked_for(poll: Poll) -> None:
    assert keys(poll(Counter(), dies="after_commit")) == ["0", "1"]
    assert ACKNOWLEDGED == []
    assert keys(poll(Counter())) == ["2", "3"]
    assert ACKNOWLEDGED == [["0", "1"], ["2", "3"]]


def test_a_poll_that_fails_remembers_nothing(poll: Poll, ctx: RecordedContext) -> None:
    with pytest.raises(ValueError, match="away"):
        poll(Counter(data="broken"))
    with pytest.raises(TaskFailed, match="is no JSON"):
        poll(Counter(data=object()))
    assert dict(ctx.state) == {}
