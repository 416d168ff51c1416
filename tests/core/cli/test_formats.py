"""Ids, durations, counts and foreign text as a person reads them; the outline of a flow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rota.cli.formats import clean, counts_text, duration_text, first_line
from rota.cli.progress.following import exit_code
from rota.cli.progress.outline import Branch, outline_of
from rota.executions.models import State

FLOW = """\
id: all
tasks:
  - id: choose
    type: if
    condition: "true"
    then: [{id: yes_, type: log, message: a}]
    else: [{id: no_, type: log, message: b}]
  - id: pick
    type: switch
    value: x
    cases: {x: [{id: case_x, type: log, message: c}]}
    default: [{id: otherwise, type: log, message: d}]
  - id: each
    type: fleet
    targets: [a]
    tasks:
      - {id: deep, type: sequential, tasks: [{id: deeper, type: log, message: e}]}
    finally: [{id: once, type: log, message: f}]
errors: [{id: oops, type: log, message: g}]
"""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (-1, "0.0s"),
        (0.04, "0.0s"),
        (9.94, "9.9s"),
        (9.96, "10s"),
        (59.6, "1m00s"),
        (185, "3m05s"),
        (7380, "2h03m"),
        (100_800, "1d04h"),
    ],
)
def test_durations_are_rough(seconds: float | None, text: str) -> None:
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\n", "plain\ttext\n"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07x", "x"),
        ("a\r\nb", "a\nb"),
        ("over\rwritten", "over�written"),
        ("\x9b2J", "�2J"),
    ],
)
def test_foreign_text_cannot_steer_the_terminal(text: str, shown: str) -> None:
    assert clean(text) == shown


@given(st.text())
def test_no_control_character_survives(text: str) -> None:
    assert not {char for char in clean(text) if ord(char) < 32 or 127 <= ord(char) < 160} - {"\n", "\t"}


@given(st.text(), st.integers(2, 40))
def test_a_first_line_is_one_line_of_a_width(text: str, width: int) -> None:
    line = first_line(text, width)
    assert len(line) <= width
    assert len(line.splitlines()) <= 1


def test_counts_name_what_failed_first() -> None:
    assert counts_text({"success": 55, "failed": 2, "total": 57, "odd": 1}) == "2 failed, 55 success, 1 odd"


@pytest.mark.parametrize(
    ("state", "code"), [("success", 0), ("skipped", 0), ("warning", 0), ("failed", 1), ("cancelled", 1), ("lost", 1)]
)
def test_a_state_has_an_exit_code(state: str, code: int) -> None:
    assert exit_code(State(state)) == code


def test_the_outline_has_every_task_with_its_block() -> None:
    branches = outline_of(FLOW)
    found = [(branch.id, branch.block, branch.repeated) for top in branches for branch in top.walk()]
    assert found == [
        ("choose", "", False),
        ("yes_", "then", False),
        ("no_", "else", False),
        ("pick", "", False),
        ("otherwise", "default", False),
        ("case_x", "case x", False),
        ("each", "", False),
        ("deep", "", True),
        ("deeper", "", True),
        ("once", "finally", False),
        ("oops", "errors", False),
    ]


def test_a_flow_that_cannot_be_read_any_more_has_no_outline() -> None:
    assert outline_of("id: [") == []


def test_only_scopes_over_lists_are_iterated() -> None:
    assert [Branch("x", kind).iterated for kind in ("fleet", "foreach", "repeat", "parallel")] == [
        True,
        True,
        True,
        False,
    ]
