"""YAML text becomes plain data, and every fault has its place and a way out."""

from __future__ import annotations

import math
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rota.errors import Finding, FlowError
from rota.flows import scalars
from rota.flows.document import MAX_BYTES, MAX_DEPTH, parse_document
from rota.flows.templates.marks import RawValue


def data(source: str | bytes) -> Any:
    return parse_document(source, "f.yaml").data


def faults(source: str | bytes) -> list[tuple[str, str]]:
    with pytest.raises(FlowError) as caught:
        parse_document(source, "f.yaml")
    for finding in caught.value.findings:
        assert finding.hint
        assert finding.place.line >= 1
        assert finding.place.column >= 1
    return [(finding.code, f"{finding.place.line}:{finding.place.column}") for finding in caught.value.findings]


def only(source: str | bytes) -> Finding:
    with pytest.raises(FlowError) as caught:
        parse_document(source, "f.yaml")
    (finding,) = caught.value.findings
    return finding


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True), ("False", False), ("yes", "yes"), ("on", "on"), ("No", "No"), ("y", "y"),
        ("", None), ("~", None), ("null", None), ("nil", "nil"),
        ("12", 12), ("-3", -3), ("+4", 4), ("0o17", 15), ("0x1F", 31), ("0b11", "0b11"), ("1_000", "1_000"),
        ("1.5", 1.5), (".5", 0.5), ("5.", 5.0), ("12e4", 120000.0), ("-.inf", -math.inf), ("1e", "1e"),
        ("1:30", "1:30"), ("190:20:30", "190:20:30"), ("2020-01-01", "2020-01-01"), ("7.10", 7.1),
        ("2020-01-01T10:00:00Z", "2020-01-01T10:00:00Z"), ('"7.10"', "7.10"), ("'true'", "true"), ("=", "="),
        ("!!str 12", "12"), ("!!int 12", 12), ("!!float 1", 1.0), ("-", "-"), (".", "."),
        ("1.2.3", "1.2.3"),
    ],
)  # fmt: skip
def test_scalars_are_those_of_the_core_schema(text: str, value: object) -> None:
    document = {"v": text} if text == "-" else data(f"v: {text}")
    assert document["v"] == value
    assert type(document["v"]) is type(value)


def test_a_leading_zero_is_no_octal_and_gets_a_warning() -> None:
    document = parse_document("mode: 0644\nday: 08\nquoted: '0644'\n", "f.yaml")
    assert document.data == {"mode": 644, "day": 8, "quoted": "0644"}
    assert [(str(one.place), one.severity) for one in document.warnings] == [
        ("f.yaml:1:7", "warning"),
        ("f.yaml:2:6", "warning"),
    ]
    assert document.warnings[0].hint == 'write `0o644` for an octal number, or `"0644"` for text'
    assert document.warnings[1].hint == 'write `"08"` for text'


@settings(deadline=None)
@given(st.text(alphabet="0123456789+-.eE_:xoabcdefINFnultr~ ", max_size=12))
def test_what_has_a_tag_has_a_value_of_it(text: str) -> None:
    tag = scalars.tag_of(text)
    value = scalars.value_of(tag, text)
    kinds = {scalars.NULL: type(None), scalars.BOOL: bool, scalars.INT: int, scalars.FLOAT: float, scalars.STR: str}
    assert type(value) is kinds[tag]


# libyaml joins no surrogates, and JSON does not escape DEL.
_character = st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"], exclude_characters="\x7f")
_text = st.text(_character)
# A key of YAML that no `?` announces ends within 1,024 characters, and JSON makes six of one.
_key = st.text(_character, max_size=160)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_key, inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)
@given(_json)
def test_json_is_yaml(value: object) -> None:
    import json

    assert data(json.dumps(value)) == value


@settings(deadline=None)
@given(st.text(max_size=200) | st.text(alphabet="{}[]:-?&*!|>'\"%@`#, \n\tab", max_size=60) | st.binary(max_size=60))
def test_any_text_is_read_or_refused_with_a_finding(source: str | bytes) -> None:
    found: object = None
    try:
        found = parse_document(source, "f.yaml")
    except FlowError as error:
        found = error.findings
    assert found


@pytest.mark.parametrize(
    ("source", "place", "hint"),
    [
        ("a:\n\tb: 1\n", "2:1", "tabs"),
        ("a: {{ x }} text", "1:12", "quotes around"),
        ("a: {{ x }}", "1:5", "quotes around"),
        ("- {{ x }}", "1:4", "quotes around"),
        ("a: b: c", "1:5", "quotes"),
        ("a: @x", "1:4", "quotes"),
        ("a: *nobody", "1:4", "define it"),
        ("a: 'open\nb: 1\n", "3:1", "close the quotes"),
        ('a: "\\q"', "1:5", "backslash"),
        ("a: [1, 2\nb: 3", "2:2", "quotes"),
        ("a: &x 1\nb: &x 2", "2:4", "anchor"),
    ],
)
def test_broken_yaml_is_told_with_its_place_and_a_way_out(source: str, place: str, hint: str) -> None:
    finding = only(source)
    assert str(finding.place) == f"f.yaml:{place}"
    assert hint in finding.hint


def test_an_open_quote_names_the_line_where_it_was_opened() -> None:
    assert "that starts in line 2" in only("x: 1\na: 'open\nb: 1\n").message


def test_duplicate_keys_name_the_first() -> None:
    finding = only("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n")
    assert str(finding) == (
        "f.yaml:5:3: error[duplicate-key]: the key `c` is already at f.yaml:3:3\n  hint: keep one of the two"
    )


def test_keys_are_text() -> None:
    source = "200: a\ntrue: b\n~: c\n1.5: d\n? [x]\n: e\n!x y: f\n<<: {g: 1}\n'200': ok\n\"<<\": ok\n"
    assert faults(source) == [
        ("key-not-text", "1:1"),
        ("key-not-text", "2:1"),
        ("key-not-text", "3:1"),
        ("key-not-text", "4:1"),
        ("key-not-text", "5:3"),
        ("yaml-tag", "7:1"),
        ("merge-key", "8:1"),
    ]


def test_the_only_tag_is_raw() -> None:
    assert data("a: !raw '{{ x }}'\nb: !raw [1, {c: x}]") == {"a": RawValue("{{ x }}"), "b": RawValue([1, {"c": "x"}])}
    source = "a: !python/object:os.system x\nb: !!set {x}\nc: !Raw x\nd: !!binary eA==\ne: [!vault x]\nf: !!int x\n"
    assert [place for _, place in faults(source)] == ["1:4", "2:4", "3:4", "4:4", "5:5", "6:4"]


def test_aliases_are_followed() -> None:
    assert data("a: &x {b: [1, 2]}\nc: *x\nd: &t text\ne: *t") == {
        "a": {"b": [1, 2]},
        "c": {"b": [1, 2]},
        "d": "text",
        "e": "text",
    }


def _bomb(lines: int, width: int = 10) -> str:
    rows = [f"l0: &l0 [{', '.join('x' * width)}]"]
    rows += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * width)}]" for n in range(1, lines)]
    return "\n".join(rows)


def test_exploding_aliases_are_refused_once_and_at_once() -> None:
    assert data(_bomb(3))["l2"][9][9] == ["x"] * 10
    assert faults(_bomb(50)) == [("yaml-bomb", "4:5")]


def test_one_text_repeated_by_alias_is_a_bomb_too() -> None:
    source = f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 100)}]\n"
    assert faults(source) == [("yaml-bomb", "2:4")]
    assert faults(f"a: &a x\nb: [{', '.join(['*a'] * 10_001)}]\n") == [("yaml-bomb", "2:4")]


def test_many_values_without_aliases_are_no_bomb() -> None:
    assert len(data(f"a: [{', '.join(['1'] * 30_000)}]\nb: x && y")["a"]) == 30_000


def test_what_contains_itself_is_refused() -> None:
    assert faults("x:\n  a: &x [1, *x]\n") == [("yaml-bomb", "2:6")]


@pytest.mark.parametrize("source", ["[" * 200_000, "{a: " * 100_000, "- " * 50_000, "? " * 1000, "a: " + "[" * 500])
def test_deep_nesting_is_refused_and_not_a_crash(source: str) -> None:
    assert "nested deeper" in only(source).message


def test_nesting_within_the_limit_is_read() -> None:
    assert data("[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1))


def test_huge_files_are_refused_before_they_are_parsed() -> None:
    assert only(b"a: " + b"x" * MAX_BYTES).code == "too-large"
    assert only("é" * (MAX_BYTES // 2 + 1)).code == "too-large"


@pytest.mark.parametrize(
    ("source", "place"),
    [
        (b"a: \xff", "1:4"),
        ("a: é\nb: ".encode() + b"\xe9\n", "2:4"),
        (b"\xff\xfea\x00", "1:1"),
        ("a: 1\nb: é\x00", "2:5"),
        ("a: \x07", "1:4"),
        ("a: \ud800", "1:4"),
    ],
)
def test_wrong_encodings_are_told_with_their_place(source: str | bytes, place: str) -> None:
    finding = only(source)
    assert (finding.code, str(finding.place)) == ("yaml-encoding", f"f.yaml:{place}")


def test_a_byte_order_mark_and_windows_lines_do_no_harm() -> None:
    document = parse_document("\ufeffa: 1\r\nb: é\r\n".encode(), "f.yaml")
    assert document.data == {"a": 1, "b": "é"}
    assert str(document.places.key(("a",))) == "f.yaml:1:1"
    assert str(document.places.value(("b",))) == "f.yaml:2:4"


def test_a_second_document_is_refused() -> None:
    assert faults("a: 1\n---\nb: 2\n") == [("several-documents", "2:1")]
    assert data("---\na: 1\n...\n") == {"a": 1}


def test_nothing_is_null() -> None:
    assert data("") is None
    assert data("# only a remark\n") is None


def test_too_long_numbers_are_refused() -> None:
    assert faults(f"a: {'9' * 5000}") == [("yaml-value", "1:4")]


def test_places_are_known_for_every_key_and_value() -> None:
    source = "a:\n  - b: 1\n    c: [x, {d: y}]\n"
    places = parse_document(source, "f.yaml").places
    assert str(places.key(("a", 0, "c"))) == "f.yaml:3:5"
    assert str(places.value(("a", 0, "c", 1, "d"))) == "f.yaml:3:16"
    assert str(places.value(("a", 0))) == "f.yaml:2:5"
    assert str(places.value(("a", 0, "nowhere", 5))) == "f.yaml:2:5"
    places.move(("a", 0, "e"), ("a", 0, "c", 1))
    assert str(places.value(("a", 0, "e", "d"))) == "f.yaml:3:16"
    assert places.source(("a", 0, "e", "d")) == ("a", 0, "c", 1, "d")


def test_the_c_loader_is_there() -> None:
    assert yaml.__with_libyaml__
