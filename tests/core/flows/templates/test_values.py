"""What a value in a flow becomes: types, texts, literals, and what is not syntax."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from rota.context import Artifact
from rota.errors import ExpressionError
from rota.flows.templates import RawValue, compile_value

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def render(value: Any, **names: Any) -> Any:
    return compile_value(value).render(names)


@hypothesis_settings(deadline=None)
@given(st.text().filter(lambda text: "{{" not in text))
def test_text_without_braces_is_unchanged(text: str) -> None:
    value = compile_value(text)

    assert value.is_literal
    assert value.render({}) == text


@hypothesis_settings(deadline=None)
@given(st.text().filter(lambda text: "{{" not in text), st.text().filter(lambda text: "{" not in text))
def test_text_around_an_expression_is_unchanged(before: str, after: str) -> None:
    before = before.rstrip("{")

    assert render(before + "{{ x }}" + after, x="\n{{ x }}") == before + "\n{{ x }}" + after


@hypothesis_settings(deadline=None)
@given(JSON)
def test_an_exact_expression_gives_the_equal_value_of_the_same_type(value: Any) -> None:
    assert render("{{ x }}", x=value) == value
    assert type(render("{{ x }}", x=value)) is type(value)
    assert render("{{ [x, {'k': x}] }}", x=value) == [value, {"k": value}]


@hypothesis_settings(deadline=None)
@given(JSON)
def test_json_goes_there_and_back(value: Any) -> None:
    assert render("{{ x | to_json | from_json }}", x=value) == value
    assert render("{{ x | to_nice_json | from_json }}", x=value) == value


@hypothesis_settings(deadline=None)
@given(st.text())
def test_any_text_in_braces_gives_a_value_or_an_expression_error(source: str) -> None:
    # Anything but an ExpressionError fails the test.
    with suppress(ExpressionError):
        compile_value("{{" + source + "}}").render({})


@hypothesis_settings(deadline=None)
@given(JSON)
def test_what_holds_no_expression_comes_back_as_it_is(value: Any) -> None:
    compiled = compile_value(value)

    if compiled.is_literal and "{{" not in str(value):
        assert compiled.render({}) == value
        assert compiled.render({}) is compiled.render({})


@pytest.mark.parametrize("text", ["7.10", "12e4", "None", "true", "[1, 2]", "{'a': 1}", "{{ x }}", "0644"])
def test_text_stays_text_whatever_it_looks_like(text: str) -> None:
    assert render("{{ x }}", x=text) == text
    assert render("{{ x }}{{ '' }}", x=text) == text


@pytest.mark.parametrize("text", ["{% if x %}", "${#x}", "date +{%Y}", "{# note #}", "{ {x} }", "a } b", "}}"])
def test_only_double_braces_are_syntax(text: str) -> None:
    assert render(text) == text
    assert render(text + " {{ 1 }}") == text + " 1"


def test_a_literal_brace_is_written_in_an_expression_or_raw() -> None:
    assert render("{{ '{{' }} x {{ '}}' }}") == "{{ x }}"
    assert render(RawValue("{{ x }}")) == "{{ x }}"
    assert render({"a": RawValue(["{{ x }}"]), "b": "{{ 1 }}"}) == {"a": ["{{ x }}"], "b": 1}
    assert compile_value("{{ x }}", raw=True).render({}) == "{{ x }}"


def test_the_end_of_an_expression_is_found_after_brackets_and_quotes() -> None:
    assert render("{{ {'a': {'b': 1}} }}") == {"a": {"b": 1}}
    assert render("{{ '}}' }}") == "}}"
    assert render("""{{ "it's }}" }}{{ 'a\\'}}' }}""") == "it's }}a'}}"


def test_a_dash_at_the_braces_drops_the_white_space_outside() -> None:
    assert render("a  {{- 1 -}}  b") == "a1b"
    assert render("{{- x -}}", x=[1]) == [1]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("é\n", "é\n"),
        (True, "true"),
        (False, "false"),
        (12, "12"),
        (1.5, "1.5"),
        ([1, None, "é"], '[1, null, "é"]'),
        ({"a": [True]}, '{"a": [true]}'),
        (date(2026, 1, 31), "2026-01-31"),
        (datetime(2026, 1, 31, 2, tzinfo=UTC), "2026-01-31T02:00:00+00:00"),
        (timedelta(minutes=90), "1h30m"),
        (Artifact("artifact://1", "dump", 5, "00"), "artifact://1"),
        ({"at": date(2026, 1, 31)}, '{"at": "2026-01-31"}'),
    ],
)
def test_a_value_inside_of_a_text_is_written_for_people_and_machines(value: Any, text: str) -> None:
    assert render("<{{ x }}>", x=value) == f"<{text}>"
    assert render("{{ x ~ '' }}", x=value) == text
    assert render("{{ x | string }}", x=value) == text


def test_null_has_no_text() -> None:
    with pytest.raises(ExpressionError, match="null") as caught:
        render("a {{ x }}", x=None)
    assert "default('', true)" in caught.value.hint
    assert render("a {{ x | default('', true) }}", x=None) == "a "


def test_a_tree_is_rendered_leaf_by_leaf_and_its_keys_are_not() -> None:
    tree = {"a": ["{{ x }}", {"b": "<{{ x }}>"}], "{{ x }}": 1, "c": None}

    assert render(tree, x=2) == {"a": [2, {"b": "<2>"}], "{{ x }}": 1, "c": None}


def test_what_an_expression_returned_is_never_rendered_again() -> None:
    assert render("{{ x }}", x="{{ 1 + 1 }}") == "{{ 1 + 1 }}"
    assert render("a{{ x }}", x=["{{ 1 }}"]) == 'a["{{ 1 }}"]'
    assert render("{{ x ~ '{{ 1 }}' }}", x="{{") == "{{{{ 1 }}"


@pytest.mark.parametrize(
    ("source", "offset", "match"),
    [
        ("ab {{ x", 3, "no closing"),
        ("ab {{ 'x }}", 3, "never closed"),
        ("ab {{ x) }}", 3, "closes nothing"),
        ("ab {{ }}", 6, "empty"),
    ],
)
def test_an_expression_that_does_not_end_is_told_with_its_place(source: str, offset: int, match: str) -> None:
    with pytest.raises(ExpressionError, match=match) as caught:
        compile_value(source)
    assert caught.value.offset == offset


def test_an_error_says_where_in_the_text_it_is() -> None:
    with pytest.raises(ExpressionError) as undefined:
        render("{{ 1 }} and {{ nope }}")
    assert (undefined.value.offset, undefined.value.expression) == (15, "nope")

    with pytest.raises(ExpressionError) as wrong:
        render("a {{ 1 +\n  2 + + }}")
    assert wrong.value.offset == 9


def test_expressions_are_found_with_their_keys() -> None:
    found = compile_value({"a": ["x", "y {{ b.c }}"], "d": "{{ e }}"}).expressions

    assert [(item.expression.source, item.keys, item.offset, item.whole) for item in found] == [
        ("b.c", ("a", 1), 5, False),
        ("e", ("d",), 3, True),
    ]


def test_jinja_is_imported_by_the_first_expression_only() -> None:
    program = (
        "import sys\nfrom rota.flows.templates import compile_value\n"
        "compile_value({'a': 'x'}).render({}); compile_value('{{ a }}')\n"
        "assert not {'jinja2', 'yaml', 'regex', 'jmespath'} & sys.modules.keys()\n"
        "compile_value('{{ 1 }}').render({})\nassert 'jinja2' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_one_compiled_value_is_kept_for_a_source() -> None:
    assert compile_value("<{{ x }}>") is compile_value("<{{ x }}>")
