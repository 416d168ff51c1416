"""Values as JSON text: what goes in comes out, and nothing that came from outside is taken for ours."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Secret, SecretBytes, SecretStr

from rota.context import Artifact
from rota.errors import TaskFailed
from rota.executions.masking import Masker
from rota.executions.values import MARKS, NotJson, dump, load, map_text, output_text, plain, sealed, unsealed

ARTIFACT = Artifact("artifact://e/1/f", "f", 3, "ab")


def seal(text: str) -> str:
    return f"sealed:{text[::-1]}"


def unseal(token: str) -> str:
    assert token.startswith("sealed:")
    return token.removeprefix("sealed:")[::-1]


class Colour(Enum):
    RED = "red"


class Word(StrEnum):
    ONE = "one"


class Model(BaseModel):
    name: str
    token: SecretStr
    extra: dict[str, Any] = {}


@dataclass
class Point:
    x: int


KEYS = st.one_of(st.text(max_size=6), st.sampled_from(sorted(MARKS)))
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=8)
)
VALUES = st.recursive(
    st.one_of(SCALARS, st.builds(SecretStr, st.text(max_size=8)), st.just(ARTIFACT)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)


@given(VALUES)
@settings(deadline=None, max_examples=300)
def test_what_goes_in_comes_out(value: Any) -> None:
    text = dump(value, seal)
    assert load(text, unseal) == value
    text.encode()
    assert unsealed(sealed(value, seal), unseal) == value


@pytest.mark.parametrize(
    "hostile",
    [
        {"$secret": "token"},
        {"$secret": {"$secret": "x"}},
        {"$artifact": {"uri": "artifact://other", "name": "n", "size": 1, "sha256": ""}},
        {"$literal": [["$secret", "x"]]},
        {"$output": {"uri": "artifact://other", "size": 1}},
        {"$secret_value": "x"},
        [{"a": {"$secret": "x", "b": 1}}, '{"$secret": "x"}', "$secret"],
        {'"$secret"': 1},
    ],
)
def test_keys_of_ours_from_outside_stay_what_they_were(hostile: Any) -> None:
    assert load(dump(hostile, seal), unseal) == hostile
    assert load(dump({"real": SecretStr("s"), "not": hostile}, seal), unseal) == {
        "real": SecretStr("s"),
        "not": hostile,
    }


def test_secrets_are_sealed_and_come_back_as_secrets() -> None:
    text = dump(Model(name="a", token=SecretStr("hush")), seal)
    assert "hush" not in text
    assert load(text, unseal) == {"name": "a", "token": SecretStr("hush"), "extra": {}}
    back = load(dump({"n": Secret({"pin": 1234}), "b": SecretBytes(b"raw")}, seal), unseal)
    assert (back["n"].get_secret_value(), back["b"].get_secret_value()) == ({"pin": 1234}, "raw")
    assert "1234" not in dump(Secret([1234]), seal)


def test_typed_values_become_json() -> None:
    value = {
        "when": datetime(2026, 1, 2, tzinfo=UTC), "day": date(2026, 1, 2), "long": timedelta(minutes=2), "c": Colour.RED,
        "w": Word.ONE, "p": Path("/a"), "b": b"\xff", "s": {2}, "t": (1, 2), "o": Point(3), 1: None, None: 1,
    }  # fmt: skip
    expected = {
        "when": "2026-01-02T00:00:00+00:00", "day": "2026-01-02", "long": 120.0, "c": "red", "w": "one", "p": "/a",
        "b": "/w==", "s": [2], "t": [1, 2], "o": {"x": 3}, "1": None, "null": 1,
    }  # fmt: skip
    assert json.loads(dump(value, seal)) == expected
    assert plain(value) == expected


def test_what_has_no_json_form_is_refused_in_words() -> None:
    loop: list[Any] = []
    loop.append(loop)
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    for value in (object(), float("nan"), {"a": float("inf")}, loop, deep, {(1, 2): 3}):
        with pytest.raises(NotJson):
            dump(value, seal)
        with pytest.raises(TaskFailed) as caught:
            output_text(value, Masker(), seal)
        assert caught.value.retryable is False


def test_lone_surrogates_are_escaped() -> None:
    text = dump({"a": "ü\ud800"}, seal)
    text.encode()
    assert load(text, unseal) == {"a": "ü\ud800"}


def test_an_output_masks_the_secrets_that_it_brings() -> None:
    masker = Masker()
    text = output_text({"token": SecretStr("brand-new"), "url": "https://brand-new@host", "brand-new": 1}, masker, seal)
    assert load(text, unseal) == {"token": SecretStr("brand-new"), "url": "https://***@host", "***": 1}
    assert masker("later: brand-new") == "later: ***"


def test_text_is_changed_everywhere_but_in_secrets() -> None:
    value = {"a": ["x", {"x": "xx"}], "s": SecretStr("x")}
    assert map_text(value, lambda text: text.replace("x", "y")) == {"a": ["y", {"y": "yy"}], "s": SecretStr("x")}
