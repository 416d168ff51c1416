"""Numbers that steer a flow: shares, limits, waits, and sets of iterations."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rota.executions.interpreter.ranges import Ranges
from rota.executions.interpreter.values import (
    LONGEST,
    BadValue,
    RetryPlan,
    boolean,
    count,
    exceeds,
    is_template,
    part,
    seconds,
    share,
)
from rota.executions.models import Problem

CHECKED = settings(deadline=None)
NUMBERS = st.sets(st.integers(0, 60))


@pytest.mark.parametrize(
    ("value", "expected"), [("1h30m", 5400.0), (5, 5.0), ("PT1M", 60.0), (timedelta(minutes=1), 60.0), ("0", 0.0)]
)
def test_durations(value: Any, expected: float) -> None:
    assert seconds(value, "delay") == expected


@pytest.mark.parametrize(
    ("read", "value", "message"),
    [
        (seconds, "soon", "`n`: `soon` is not a duration"),
        (seconds, None, "`n`: a duration cannot be NoneType"),
        (seconds, "{{ again }}", "`n` gave a template again: `{{ again }}`"),
        (count, "many", "`n` must be a whole number from 0, not `many`"),
        (count, -1, "`n` must be a whole number from 0, not `-1`"),
        (count, True, "`n` must be a whole number from 0, not `True`"),
        (count, 1.5, "`n` must be a whole number from 0, not `1.5`"),
        (boolean, "false", "`n` must give true or false, not `false`"),
        (boolean, 1, "`n` must give true or false, not `1`"),
        (share, "x%", "`n` must be a number or a percentage such as `10%`, not `x%`"),
        (share, "-1%", "`n` must be a number or a percentage such as `10%`, not `-1%`"),
        (share, "1/2%", "`n` must be a number or a percentage such as `10%`, not `1/2%`"),
    ],
)
def test_wrong_values_say_what_is_wrong_and_are_not_tried_again(read: Any, value: Any, message: str) -> None:
    with pytest.raises(BadValue) as caught:
        read(value, "n")
    problem = caught.value.problem()
    assert problem.message.startswith(message)
    assert (problem.type, problem.retryable) == ("template", False)


def test_numbers_that_come_as_text() -> None:
    assert (count("3", "n"), share("3", "n"), share(" 10 % ", "n")) == (3, 3, "10%")


@pytest.mark.parametrize(
    ("value", "total", "expected"),
    [
        (5, 57, 5),
        ("20%", 57, 12),
        ("1%", 57, 1),
        ("0%", 57, 1),
        ("100%", 57, 57),
        ("33.3%", 1000, 333),
        ("10%", 100, 10),
    ],
)
def test_parts_are_rounded_up_and_one_at_least(value: int | str, total: int, expected: int) -> None:
    assert part(value, total) == expected


@CHECKED
@given(st.integers(0, 300), st.integers(0, 10_000), st.integers(0, 300))
def test_a_limit_is_exceeded_exactly(failures: int, hundredths: int, total: int) -> None:
    percent = Fraction(hundredths, 100)
    text = f"{hundredths // 100}.{hundredths % 100:02}%"
    assert exceeds(failures, text, total) == (failures * 100 > percent * total)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("x", False),
        ("{{ x }}", True),
        ("{% if x %}", True),
        ({"a": ["{{ x }}"]}, True),
        ({"{{ x }}": 1}, True),
        ([1, None], False),
    ],
)
def test_templates_are_found_wherever_they_are(value: Any, found: bool) -> None:
    assert is_template(value) is found


def test_waits_grow_but_not_for_ever() -> None:
    plan = RetryPlan(1000, 1.0, 100.0)
    assert [plan.wait(tries) for tries in (1, 2, 3)] == [1.0, 100.0, 10_000.0]
    assert plan.wait(999) == LONGEST
    assert RetryPlan(9, 10.0, 2.0, max_delay=15.0).wait(5) == 15.0


def test_what_a_retry_covers() -> None:
    named = RetryPlan(3, on=frozenset({"timeout", "lost"}))
    assert named.covers(Problem("timeout", ""))
    assert not named.covers(Problem("Boom", ""))
    assert named.covers(Problem("shutdown", ""), lost=True)
    assert not RetryPlan(3).covers(Problem("Boom", "", retryable=False))
    assert RetryPlan(3).covers(None)


@CHECKED
@given(NUMBERS, st.lists(st.tuples(st.booleans(), st.integers(0, 60))))
def test_ranges_are_sets(start: set[int], changes: list[tuple[bool, int]]) -> None:
    ranges, model = Ranges([number, number] for number in start), set(start)
    for adding, number in changes:
        if adding:
            ranges.add(number)
            model.add(number)
        else:
            assert ranges.discard(number) == (number in model)
            model.discard(number)
        assert (list(ranges), len(ranges), number in ranges) == (sorted(model), len(model), number in model)
    pairs = ranges.pairs()
    assert all(first <= last for first, last in pairs)
    assert all(one[1] + 1 < other[0] for one, other in pairwise(pairs))
    assert list(Ranges(pairs)) == sorted(model)


@CHECKED
@given(NUMBERS, NUMBERS, st.integers(0, 61))
def test_ranges_are_joined_parted_and_counted(some: set[int], others: set[int], bound: int) -> None:
    one, other = (Ranges([number, number] for number in numbers) for numbers in (some, others))
    assert set(one | other) == some | others
    assert set(one - other) == some - others
    assert set(one.within(bound)) == {number for number in some if number < bound}
    assert one.below(bound) == sum(number < bound for number in some)
    if some:
        assert one.pop() == min(some)
    assert len(list(one)) == len(one)


def test_ranges_that_overlap_are_one() -> None:
    assert Ranges([[5, 9], [0, 3], [2, 6], [4, 4]]).pairs() == [[0, 9]]
    assert len(Ranges([[5, 9], [0, 3], [2, 6], [4, 4]])) == 10
    assert Ranges([[3, 2]]).pairs() == []
