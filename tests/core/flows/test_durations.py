"""Durations, read and written."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from rota.flows.durations import Duration, format_duration, parse_duration


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("250ms", 0.25),
        ("2d", 172800),
        ("1w", 604800),
        ("1.5h", 5400),
        ("10us", 0.00001),
        ("PT1H30M", 5400),
        ("P1DT0.5S", 86400.5),
        ("p2w", 1209600),
        (90, 90),
        (0.5, 0.5),
        ("90", 90),
        ("0s", 0),
        (timedelta(seconds=3), 3),
    ],
)
def test_a_duration_is_read(value: Any, seconds: float) -> None:
    assert parse_duration(value) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "value",
    [
        *[
            "",
            " ",
            "soon",
            "1x",
            "30m1h",
            "1h1h",
            "-1h",
            "P",
            "PT",
            "P1M",
            "P1Y",
            "1h30",
            -1,
            True,
            None,
            [],
            "1e3",
            "٣h",
        ],
        *[float("inf"), float("nan"), 10**30, "999999999999999d", "9" * 10_000, timedelta(seconds=-1)],
    ],
)
def test_what_is_no_duration_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(value)


@hypothesis_settings(deadline=None)
@given(st.timedeltas(min_value=timedelta(0)))
def test_a_written_duration_is_read_as_the_same(duration: timedelta) -> None:
    assert parse_duration(format_duration(duration)) == duration


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (5400, "1h30m"), (0.25, "250ms"), (90061, "1d1h1m1s"), (-90, "-1m30s")]
)
def test_a_duration_is_written_short(seconds: float, text: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == text


def test_a_field_takes_and_gives_durations() -> None:
    class Model(BaseModel):
        timeout: Duration

    model = Model.model_validate({"timeout": "1h30m"})

    assert model.timeout == timedelta(minutes=90)
    assert model.model_dump_json() == '{"timeout":"1h30m"}'
    assert model.model_dump() == {"timeout": timedelta(minutes=90)}
    assert "anyOf" in Model.model_json_schema()["properties"]["timeout"]
    with pytest.raises(ValidationError, match="write it like"):
        Model.model_validate({"timeout": "soon"})
