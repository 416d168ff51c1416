"""The frozen list of a `foreach` or `fleet`."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from rota.context import Artifact
from rota.errors import ExpressionError
from rota.executions.iterating import freeze

ARTIFACT = Artifact("artifact://e/1/f", "f", 3, "ab")


def keys(kind: str, items: Any, **sources: Any) -> list[str]:
    return [row["key"] for row in freeze(kind, {"items": items, **sources}, {})]


def test_items_are_numbered_after_the_selection() -> None:
    rows = freeze("foreach", {"items": [1, 2, 3, 4], "select": "item > 1", "lock": "l/{{ item }}"}, {})
    assert rows == [
        {"idx": 0, "key": "0", "item": 2, "lock_key": "l/2"},
        {"idx": 1, "key": "1", "item": 3, "lock_key": "l/3"},
        {"idx": 2, "key": "2", "item": 4, "lock_key": "l/4"},
    ]


def test_keys_by_default() -> None:
    targets = ["a", {"name": "b"}, {"id": 3}, {"name": "", "id": "d"}, 5, {"x": 1}, ""]
    assert keys("fleet", targets) == ["a", "b", "3", "d", "4", "5", "6"]
    assert keys("foreach", ["a", "b"]) == ["0", "1"]


def test_a_mapping_gives_keys_and_values() -> None:
    rows = freeze("foreach", {"items": {"a": 1}, "key": "{{ item.key }}"}, {})
    assert (rows[0]["key"], rows[0]["item"]) == ("a", {"key": "a", "value": 1})


def test_names_of_each_item_are_there() -> None:
    assert keys("fleet", ["x", "y"], key="{{ target }}{{ item }}{{ index }}") == ["xx0", "yy1"]
    assert keys("foreach", "range(2)", key="{{ index }}", select="true") == ["0", "1"]
    assert keys("foreach", [1, 2], select=False) == []


def test_artifacts_are_kept_by_reference() -> None:
    (row,) = freeze("foreach", {"items": "files"}, {"files": [ARTIFACT]})
    assert row["item"]["$artifact"]["uri"] == ARTIFACT.uri


@pytest.mark.parametrize(
    ("sources", "names", "words"),
    [
        ({"items": "3"}, {}, "a list is needed"),
        ({"items": "'text'"}, {}, "a list is needed"),
        ({"items": ["a", "a"]}, {}, "there twice"),
        ({"items": [1], "key": "{{ none }}"}, {}, "must be text"),
        ({"items": [1], "key": "{{ '' }}"}, {}, "empty"),
        ({"items": [1], "key": "{{ true }}"}, {}, "must be text"),
        ({"items": ["a\x00"]}, {}, "cannot be stored"),
        ({"items": [1], "key": "{{ bad }}"}, {"bad": "\ud800"}, "cannot be stored"),
        ({"items": "s"}, {"s": [SecretStr("x")]}, "uses a secret"),
        ({"items": [1], "key": "{{ s }}"}, {"s": SecretStr("x")}, "uses a secret"),
        ({"items": [1], "lock": "{{ s }}"}, {"s": SecretStr("x")}, "uses a secret"),
        ({"items": [1], "select": "item"}, {}, "true or false"),
        ({"items": "bad"}, {"bad": [float("nan")]}, "cannot be stored"),
    ],
)
def test_what_is_wrong_is_told(sources: dict[str, Any], names: dict[str, Any], words: str) -> None:
    kind = "fleet" if sources["items"] in (["a", "a"], ["a\x00"]) else "foreach"
    with pytest.raises(ExpressionError, match=words):
        freeze(kind, sources, names)
