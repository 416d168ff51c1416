"""Inputs take what their type says, from JSON and from a command line, and tell every fault at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given as any_given
from hypothesis import settings
from hypothesis import strategies as st
from pydantic import SecretStr, TypeAdapter

from rota.context import Artifact
from rota.errors import InputError, UsageError
from rota.flows.given import Typed, from_command_line, missing_inputs, parse_inputs
from rota.flows.inputs import INPUT_TYPES, Input, InputKeys

_adapter: TypeAdapter[InputKeys] = TypeAdapter(Input)
PARIS = timezone(timedelta(hours=1))
ARTIFACT = {"uri": "artifact:1", "name": "a", "size": 3, "sha256": "00"}


def spec(kind: str, **keys: Any) -> InputKeys:
    return _adapter.validate_python({"id": "n", "type": kind, **keys})


def test_every_type_of_the_language_is_there() -> None:
    names = (
        "string, int, float, bool, select, multiselect, date, datetime, time, duration, json, yaml, list, file, uri, "
        "email, secret"
    )
    assert sorted(INPUT_TYPES) == sorted(names.split(", "))
    keys: dict[str, dict[str, Any]] = {"select": {"values": ["a"]}, "multiselect": {"values": ["a"]}}
    for kind, model in INPUT_TYPES.items():
        assert type(spec(kind, **keys.get(kind, {}))) is model


@pytest.mark.parametrize(
    ("kind", "keys", "value", "expected"),
    [
        ("string", {}, "7.10", "7.10"),
        ("int", {"min": 1, "max": 9}, 9, 9),
        ("int", {}, 3.0, 3),
        ("float", {}, 3, 3.0),
        ("bool", {}, False, False),
        ("select", {"values": ["a", 1]}, 1, 1),
        ("multiselect", {"values": ["a", "b"]}, ["b"], ["b"]),
        ("date", {}, "2026-01-31", date(2026, 1, 31)),
        ("datetime", {}, "2026-01-31T10:00", datetime(2026, 1, 31, 10, tzinfo=PARIS)),
        ("datetime", {}, "2026-01-31T10:00:00Z", datetime(2026, 1, 31, 10, tzinfo=UTC)),
        ("time", {}, "13:30", time(13, 30)),
        ("duration", {}, "1h30m", timedelta(minutes=90)),
        ("duration", {}, 90, timedelta(seconds=90)),
        ("json", {}, {"a": [1, None]}, {"a": [1, None]}),
        ("json", {}, None, None),
        ("yaml", {}, "a: [yes, 1]", {"a": ["yes", 1]}),
        ("yaml", {}, [1], [1]),
        ("list", {}, ["a"], ["a"]),
        ("list", {"item": "duration"}, ["5s", 1], [timedelta(seconds=5), timedelta(seconds=1)]),
        ("file", {}, ARTIFACT, Artifact(**ARTIFACT)),  # type: ignore[arg-type]
        ("uri", {}, "https://example.org/x?y=1", "https://example.org/x?y=1"),
        ("uri", {}, "mailto:a@b.c", "mailto:a@b.c"),
        ("email", {}, "a.b@example.org", "a.b@example.org"),
        ("secret", {}, "hush", SecretStr("hush")),
    ],
)
def test_json_values_become_typed(kind: str, keys: dict[str, Any], value: Any, expected: Any) -> None:
    parsed = spec(kind, **keys).parse(value, PARIS)
    assert parsed == expected
    assert type(parsed) is type(expected)


@pytest.mark.parametrize(
    ("kind", "keys", "value"),
    [
        ("string", {}, 5), ("string", {}, None), ("string", {"pattern": "[a-z]+"}, "abc1"),
        ("string", {"pattern": "[a-z]+"}, "abc\n"), ("string", {"min_length": 2}, "a"),
        ("string", {"max_length": 1}, "ab"),
        ("int", {}, "3"), ("int", {}, True), ("int", {}, 3.5), ("int", {"min": 1}, 0), ("int", {"max": 1}, 2),
        ("float", {}, "3"), ("float", {}, float("nan")), ("float", {}, False), ("float", {"max": 1.5}, 1.6),
        ("bool", {}, "true"), ("bool", {}, 1),
        ("select", {"values": ["a"]}, "b"), ("select", {"values": [1]}, True), ("select", {"values": ["1"]}, 1),
        ("multiselect", {"values": ["a"]}, "a"), ("multiselect", {"values": ["a"]}, ["a", "a"]),
        ("multiselect", {"values": ["a"], "min_items": 1}, []),
        ("date", {}, "31.01.2026"), ("date", {}, "2026-02-30"), ("date", {"min": "2026-01-01"}, "2025-12-31"),
        ("datetime", {}, "tomorrow"), ("datetime", {"max": "2026-01-01T00:00Z"}, "2026-01-01T00:01Z"),
        ("time", {}, "25:00"), ("duration", {}, "soon"), ("duration", {"max": "1h"}, "2h"),
        ("yaml", {}, "a: [b"), ("list", {}, "a"), ("list", {"item": "int"}, [1, "x"]),
        ("list", {"max_items": 1}, [1, 2]),
        ("file", {}, "x"), ("file", {}, {"uri": "x"}), ("file", {"max_size": 2}, ARTIFACT),
        ("uri", {}, "example.org"), ("uri", {}, "http://"), ("uri", {}, "http://a b"), ("uri", {}, "http://[::1"),
        ("uri", {}, "http://h:99999"), ("uri", {"schemes": ["https"]}, "http://x"),
        ("email", {}, "a@b"), ("email", {}, "@b.c"), ("email", {}, "a b@c.d"),
        ("secret", {}, 5), ("secret", {"min_length": 9}, "hush"),
    ],
)  # fmt: skip
def test_wrong_values_are_refused_in_words(kind: str, keys: dict[str, Any], value: Any) -> None:
    with pytest.raises(ValueError, match=r"^(must|has|`)") as caught:
        spec(kind, **keys).parse(value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "keys", "text", "expected"),
    [
        ("string", {}, "3", "3"),
        ("string", {}, "", ""),
        ("int", {}, " -3 ", -3),
        ("float", {}, "1e3", 1000.0),
        ("bool", {}, "TRUE", True),
        ("select", {"values": ["a", 1]}, "1", 1),
        ("select", {"values": [0]}, "0", 0),
        ("multiselect", {"values": ["a", "b", 3]}, "b, 3", ["b", 3]),
        ("multiselect", {"values": ["a", 3]}, '["a", 3]', ["a", 3]),
        ("multiselect", {"values": ["a"]}, "", []),
        ("json", {}, '{"a": 1}', {"a": 1}),
        ("yaml", {}, "[a, 1]", ["a", 1]),
        ("list", {}, "a, b", ["a", "b"]),
        ("list", {"item": "int"}, "1,2", [1, 2]),
        ("list", {"item": "int"}, "[1, 2]", [1, 2]),
        ("duration", {}, "90", timedelta(seconds=90)),
    ],
)
def test_command_line_text_becomes_typed(kind: str, keys: dict[str, Any], text: str, expected: Any) -> None:
    parsed = spec(kind, **keys).parse_text(text)
    assert parsed == expected
    assert type(parsed) is type(expected)


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("int", "1_000", "must be a whole number, not `1_000`"),
        ("int", "", "must be a whole number, not ``"),
        ("float", "1_0", "must be a number, not `1_0`"),
        ("bool", "yes", "must be `true` or `false`, not `yes`"),
        ("json", "{a: 1}", "must be JSON: "),
        ("json", "NaN", "must be JSON: `nan` is not json"),
        ("json", "[" * 100_000, "is nested too deep"),
        ("list", "[1, 2]", "has a wrong item, number 1: it must be text, not a number"),
        ("file", "/nowhere/at/all", "must be an existing file, not `/nowhere/at/all`"),
    ],
)
def test_wrong_text_is_refused_in_words(kind: str, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=r"^(must|has|is)") as caught:
        spec(kind).parse_text(text)
    assert str(caught.value).startswith(message)


def test_patterns_are_linear_and_whole() -> None:
    slow = spec("string", pattern="(a+)+b")
    with pytest.raises(ValueError, match="must match"):
        slow.parse("a" * 100_000)
    assert slow.parse("aab") == "aab"
    with pytest.raises(ValueError, match="is no regular expression"):
        spec("string", pattern="(?=a)b")
    with pytest.raises(ValueError, match="is no regular expression"):
        spec("string", pattern="(a{1000}){1000}")


_values: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(),
    "int": st.integers(),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "bool": st.booleans(),
    "date": st.dates(),
    "datetime": st.datetimes(timezones=st.just(UTC)),
    "time": st.times(),
    "duration": st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=10_000)),
    "list": st.lists(st.text()),
}


@settings(deadline=None)
@any_given(st.data())
def test_what_is_dumped_is_read_back(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(_values)))
    value = data.draw(_values[kind])
    one = spec(kind)
    assert one.parse(json.loads(json.dumps(one.dump(value)))) == value


def test_artifacts_are_dumped_and_secrets_are_left_to_the_store() -> None:
    assert spec("file").dump(Artifact(**ARTIFACT)) == ARTIFACT  # type: ignore[arg-type]
    assert spec("secret").dump(SecretStr("x")) == SecretStr("x")


INPUTS = [
    spec("int", id="count"),
    spec("string", id="name", default="{{ inputs.count }} things"),
    spec("select", id="env", values=["prod", "staging"], default="prod"),
    spec("duration", id="wait", default="5m"),
    spec("string", id="note", default=None),
    spec("secret", id="token"),
]


def test_inputs_are_typed_and_defaults_fill_in() -> None:
    def render(default: Any, inputs: Mapping[str, Any]) -> Any:
        assert default == "{{ inputs.count }} things"
        return f"{inputs['count']} things"

    parsed = parse_inputs(INPUTS, {"token": "hush", "count": 3}, render=render)
    assert list(parsed.items()) == [
        ("count", 3),
        ("name", "3 things"),
        ("env", "prod"),
        ("wait", timedelta(minutes=5)),
        ("note", None),
        ("token", SecretStr("hush")),
    ]
    assert "hush" not in repr(parsed)


def test_templated_defaults_wait_for_who_can_render_them() -> None:
    assert "name" not in parse_inputs(INPUTS, {"token": "hush", "count": 3})


def test_a_rendered_default_must_fit_too() -> None:
    one = spec("int", id="n", default="{{ x }}")
    with pytest.raises(InputError, match="input `n`: must be a whole number, not `many`"):
        parse_inputs([one], {}, render=lambda *_: "many")


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        parse_inputs(INPUTS, {"coutn": 1, "env": "test", "wait": "soon", "zzz": 1})
    assert list(caught.value.problems) == ["coutn", "zzz", "count", "env", "wait", "token"]
    assert str(caught.value).splitlines()[0] == ("input `coutn`: the flow has no such input; did you mean `count`?")
    assert caught.value.problems["count"] == "is missing; it is an `int`"
    assert caught.value.problems["env"] == "must be one of `prod` or `staging`, not `test`"
    assert caught.value.exit_code == 2


def test_missing_inputs_are_what_a_person_is_asked_for() -> None:
    assert [one.id for one in missing_inputs(INPUTS, {"count": 1})] == ["token"]


def test_null_is_no_value_unless_it_is_the_default() -> None:
    assert parse_inputs([spec("string", id="a", default=None)], {"a": None}) == {"a": None}
    with pytest.raises(InputError, match="must be text, not null"):
        parse_inputs([spec("string", id="a", default="x")], {"a": None})


def test_command_line_arguments_give_text_and_files(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("hush\n")
    (tmp_path / "data.json").write_text('{"a": 1}\n')
    given = from_command_line([
        "n=a=b", "at=@@home", f"token=@{tmp_path / 'token'}", f"data=@{tmp_path / 'data.json'}",
        f"file=@{tmp_path / 'token'}", f"path={tmp_path / 'token'}", "empty=",
    ])  # fmt: skip
    inputs = [spec("string", id="n"), spec("string", id="at"), spec("secret", id="token"), spec("json", id="data"),
              spec("file", id="file"), spec("file", id="path"), spec("string", id="empty")]  # fmt: skip
    assert parse_inputs(inputs, given) == {
        "n": "a=b",
        "at": "@home",
        "token": SecretStr("hush"),
        "data": {"a": 1},
        "file": tmp_path / "token",
        "path": tmp_path / "token",
        "empty": "",
    }
    assert "a=b" not in repr(given)


def test_files_that_cannot_be_read_are_one_fault_of_many(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff")
    inputs = [spec("string", id="a"), spec("string", id="b"), spec("string", id="c")]
    given = {"a": Typed("", tmp_path / "nope"), "b": Typed("", tmp_path / "bytes"), "c": Typed("", tmp_path)}
    with pytest.raises(InputError) as caught:
        parse_inputs(inputs, given)
    assert [one.rpartition(": ")[2] for one in caught.value.problems.values()] == [
        "no such file or directory",
        "it is not UTF-8 text",
        "is a directory",
    ]


@pytest.mark.parametrize("arguments", [["n"], ["=3"], ["n=1", "n=2"]])
def test_arguments_that_make_no_sense_are_refused(arguments: list[str]) -> None:
    with pytest.raises(UsageError):
        from_command_line(arguments)


def test_secrets_show_nowhere() -> None:
    with pytest.raises(InputError) as caught:
        parse_inputs([spec("secret", id="s", pattern="[a-z]+")], {"s": "Hush1"})
    assert "Hush1" not in str(caught.value)
    with pytest.raises(ValueError, match="must be JSON") as bad:
        spec("json").parse_text('{"password": hush}')
    assert "hush" not in str(bad.value)
