"""The timers: each fires once, at the last time it was set to; stopped clocks keep what is left."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from rota.conductor.timers import Address, Timers

A: Address = ("e", "", "a", "timeout")
B: Address = ("e", "", "b", "timeout")
OTHER: Address = ("other", "", "a", "sleep")


def test_they_come_out_when_due_the_earliest_first() -> None:
    timers = Timers()
    timers.set(A, 20)
    timers.set(B, 10)
    assert timers.next_due() == 10
    assert timers.pop_due(5) == []
    assert timers.pop_due(30) == [B, A]
    assert timers.pop_due(30) == []
    assert timers.next_due() is None


def test_setting_one_again_moves_it() -> None:
    timers = Timers()
    timers.set(A, 10)
    timers.set(A, 30)
    assert timers.pop_due(20) == []
    assert timers.pop_due(30) == [A]


def test_one_that_is_cleared_never_fires() -> None:
    timers = Timers()
    timers.set(A, 10)
    assert timers.clear(A)
    assert not timers.clear(A)
    assert timers.pop_due(100) == []


def test_a_stopped_clock_goes_on_with_what_was_left() -> None:
    timers = Timers()
    timers.set(A, 100)
    assert timers.pause(A, 40) == 60
    assert timers.pop_due(1000) == []
    assert timers.pause(A, 50) is None
    assert timers.resume(A, 500) == 560
    assert timers.resume(A, 500) is None
    assert timers.pop_due(560) == [A]


def test_a_clock_that_was_stopped_elsewhere_is_taken_over() -> None:
    timers = Timers()
    timers.keep_paused(A, 5)
    assert timers.resume(A, 10) == 15


def test_those_of_an_execution_are_forgotten_together() -> None:
    timers = Timers()
    timers.set(A, 1)
    timers.set(OTHER, 2)
    timers.set(B, 3)
    timers.pause(B, 0)
    timers.forget("e")
    assert timers.resume(B, 0) is None
    assert timers.pop_due(10) == [OTHER]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["set", "clear", "pop"]), st.integers(0, 50))))
@settings(deadline=None, max_examples=100)
def test_they_do_what_a_plain_mapping_would(steps: list[tuple[str, str, int]]) -> None:
    timers, expected = Timers(), dict[Address, float]()
    for name, action, at in steps:
        address: Address = ("e", "", name, "t")
        if action == "set":
            timers.set(address, at)
            expected[address] = at
        elif action == "clear":
            assert timers.clear(address) == (expected.pop(address, None) is not None)
        else:
            due = {key: value for key, value in expected.items() if value <= at}
            found = timers.pop_due(at)
            assert sorted(found) == sorted(due)
            assert [due[key] for key in found] == sorted(due.values())
            expected = {key: value for key, value in expected.items() if value > at}
        assert timers.next_due() == min(expected.values(), default=None)
