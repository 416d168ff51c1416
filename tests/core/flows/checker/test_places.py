"""The place of an expression is the place of its name, whichever way the text around it is written."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from yaml.nodes import MappingNode, ScalarNode

from rota.errors import Finding
from rota.flows.checker.positions import place_within

TEXTS = {
    "plain": "message: some text {{ vars.nope }} here",
    "plain over lines": "message: some text\n      that goes on {{ vars.nope }}",
    "single quotes": "message: 'it''s {{ vars.nope }}'",
    "double quotes": 'message: "a\\tb \\"x\\" \\u00e9 {{ vars.nope }}"',
    "double quotes over lines": 'message: "one\n      two {{ vars.nope }}"',
    "double quotes joined": 'message: "one \\\n      two {{ vars.nope }}"',
    "literal": "message: |\n      one\n\n        two {{ vars.nope }}\n      three",
    "literal kept": "message: |+\n      one {{ vars.nope }}\n\n",
    "literal indented": "message: |2\n        one {{ vars.nope }}",
    "folded": "message: >-\n      one\n      two\n\n      three {{ vars.nope }}",
    "folded indented": "message: >\n      one\n        two {{ vars.nope }}\n      three",
    "in a list": "message: [a, {b: 'x {{ vars.nope }}'}]",
    "wide": "message: '日本 {{ vars.nope }}'",
    "expression over lines": "message: |\n      {{\n        vars.nope\n      }}",
}


@pytest.mark.parametrize("name", TEXTS)
def test_the_place_is_the_place_of_the_name(findings: Callable[..., list[Finding]], name: str) -> None:
    source = f"id: f\ntasks:\n  - id: a\n    type: log\n    {TEXTS[name]}\n  - {{id: b, type: exit}}\n"
    (found,) = findings(source)
    line = source.splitlines()[found.place.line - 1]
    assert line[found.place.column - 1 :].startswith("nope")


WORDS = st.text(alphabet="ab'\"\\:#{}[]é 日\t", max_size=12)


@settings(deadline=None, max_examples=200)
@given(before=WORDS, after=WORDS, style=st.sampled_from(["'", '"', "|", ">", None]))
def test_a_mark_is_found_in_whatever_yaml_writes(before: str, after: str, style: str | None) -> None:
    text = f"{before}@mark{after}"
    source: str = yaml.dump({"key": text}, default_style=style, allow_unicode=True, width=20)
    node = yaml.compose(source, Loader=yaml.CSafeLoader)
    assert isinstance(node, MappingNode)
    value = next(value for key, value in node.value if key.value == "key")
    assert isinstance(value, ScalarNode)
    place = place_within(value, source.split("\n"), value.value.index("@mark"), "f")
    assert source.split("\n")[place.line - 1][place.column - 1 :].startswith("@mark")


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=40), st.integers(0, 80))
def test_a_place_is_always_given(text: str, offset: int) -> None:
    source: str = yaml.dump(text)
    node = yaml.compose(source, Loader=yaml.CSafeLoader)
    assert isinstance(node, ScalarNode)
    place = place_within(node, source.split("\n"), offset, "f")
    assert 1 <= place.line <= source.count("\n") + 1
    assert place.column >= 1
