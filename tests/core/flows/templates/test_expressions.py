"""Bare expressions, names, what can be reached, and what an expression uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rota.context import Artifact
from rota.errors import ExpressionError, SecretError
from rota.flows.templates import Language, compile_expression
from rota.flows.templates.uses import Call, Path, Uses


class Lazy(Mapping[str, Any]):
    """A mapping that notes what it loads."""

    def __init__(self, **values: Any) -> None:
        self.values_by_key = values
        self.loaded: list[str] = []

    def __getitem__(self, key: str) -> Any:
        value = self.values_by_key[key]
        self.loaded.append(key)
        return value

    def __contains__(self, key: object) -> bool:
        return key in self.values_by_key

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_key)

    def __len__(self) -> int:
        return len(self.values_by_key)


def evaluate(source: str, **names: Any) -> Any:
    return compile_expression(source).render(names)


def uses(source: str) -> Uses:
    return compile_expression(source).expressions[0].expression.uses


def test_braces_are_optional() -> None:
    assert evaluate("x == 1", x=1) is True
    assert evaluate(" {{ x == 1 }}\n", x=1) is True
    assert evaluate("x ~ '{{'", x=1) == "1{{"
    assert compile_expression([1, "{{ x }}"]).render({"x": 2}) == [1, 2]
    assert compile_expression(True).is_literal
    assert compile_expression("true").is_literal


def test_braces_around_a_part_are_refused() -> None:
    with pytest.raises(ExpressionError, match="around a part"):
        compile_expression("{{ a }} == 'b'")
    with pytest.raises(ExpressionError, match="no braces"):
        compile_expression("a == 'b'", braces_optional=False)


@pytest.mark.parametrize(("source", "result"), [("x > 1", True), ("not x", False), ("{{ x is defined }}", True)])
def test_a_condition_gives_a_boolean(source: str, result: bool) -> None:
    assert compile_expression(source).condition({"x": 2}) is result


@pytest.mark.parametrize("source", ["x", "'false'", "none", "[]", "1", "x.y | default('')", "true if x == 9"])
def test_a_condition_that_gives_something_else_is_an_error(source: str) -> None:
    with pytest.raises(ExpressionError):
        compile_expression(source).condition({"x": 2})


def test_a_key_comes_before_a_method() -> None:
    assert evaluate("x.items", x={"items": 5}) == 5
    assert evaluate("x.items()", x={"a": 5}) == [["a", 5]]
    assert evaluate("x['a'] + x.b[0] + x.b.1", x={"a": 1, "b": [2, 3]}) == 6
    assert evaluate("x.b[-1]", x={"b": [2, 3]}) == 3
    assert evaluate("x._id", x={"_id": "m"}) == "m"


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        ("outputs.dmp.stdout", "`outputs.dmp.stdout` is undefined: there is no `outputs.dmp`", "`outputs.dump`"),
        ("outputs.dump.stdot", "`outputs.dump.stdot` is undefined", "`outputs.dump.stdout`"),
        ("outptus", "`outptus` is undefined", "`outputs`"),
        ("outputs.dump.stdot | upper", "`outputs.dump.stdot` is undefined", "`outputs.dump.stdout`"),
        ("outputs.rows[7].name", "`outputs.rows[7].name` is undefined", "default"),
        ("[outputs.nope]", "`outputs.nope` is undefined", ""),
        ("not outputs.nope", "`outputs.nope` is undefined", ""),
        ("outputs.nope == 1", "`outputs.nope` is undefined", ""),
        ("outputs.nope ~ 'a'", "`outputs.nope` is undefined", ""),
        ("outputs.nope + 1", "`outputs.nope` is undefined", ""),
        ("outputs.nope()", "`outputs.nope` is undefined", ""),
    ],
)
def test_an_undefined_name_fails_when_used_and_names_its_whole_path(source: str, message: str, hint: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(source, outputs={"dump": {"stdout": "x"}, "rows": []})
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_undefined_names_chain_to_a_default() -> None:
    assert evaluate("a.b.c[0] | default('x')") == "x"
    assert evaluate("a.b is defined") is False
    assert evaluate("a.b if a is defined else 3") == 3
    with pytest.raises(ExpressionError, match="give me a"):
        evaluate("a | mandatory('give me a')")


def test_names_are_loaded_when_touched_and_not_before() -> None:
    outputs = Lazy(a={"x": 1}, b={"x": 2}, c=3)

    assert evaluate("outputs.a.x if true else outputs.b.x", outputs=outputs) == 1
    assert evaluate("'b' in outputs", outputs=outputs) is True
    assert evaluate("outputs.d | default(4)", outputs=outputs) == 4
    assert outputs.loaded == ["a"]
    assert evaluate("outputs", outputs=outputs) == {"a": {"x": 1}, "b": {"x": 2}, "c": 3}
    assert evaluate("outputs | to_json", outputs=Lazy(c=3)) == '{"c": 3}'


def test_only_plain_data_is_reachable() -> None:
    with pytest.raises(ExpressionError, match="no plain data"):
        evaluate("x", x=object())
    with pytest.raises(ExpressionError, match="no plain data"):
        evaluate("x | to_json", x={"a": object()})
    with pytest.raises(ExpressionError, match="function"):
        evaluate("x", x=print)
    with pytest.raises(ExpressionError, match="function"):
        evaluate("now", now=print)


def test_dates_durations_and_artifacts_have_their_attributes() -> None:
    at = datetime(2026, 1, 31, 2, tzinfo=UTC)

    assert evaluate("at.year + at.hour", at=at) == 2028
    assert evaluate("(at + d).isoformat()", at=at, d=timedelta(hours=1)) == "2026-01-31T03:00:00+00:00"
    assert evaluate("d.total_seconds()", d=timedelta(hours=1)) == 3600
    assert evaluate("f.sha256 ~ f.size", f=Artifact("u", "n", 5, "ab")) == "ab5"
    with pytest.raises(ExpressionError, match="undefined"):
        evaluate("at.tzinfo", at=at)


def test_functions_are_called_with_values() -> None:
    def kv(name: str, default: Any = None) -> Any:
        return {"known": 1}.get(name, default)

    names: dict[str, Any] = {"kv": kv, "file": lambda path: f"<{path}>"}

    assert evaluate("kv('a', 3) + 1", **names) == 4
    assert evaluate("kv('a', default=x.y)", x={"y": [1]}, **names) == [1]
    assert evaluate("file('a') | length", **names) == 3
    assert evaluate("range(1, 10, 4)") == [1, 5, 9]
    assert evaluate("dict([['a', 1]])") == {"a": 1}


def test_an_error_of_rota_passes_and_any_other_is_an_expression_error() -> None:
    def secret(name: str) -> str:
        raise SecretError("the backend is down", retryable=True)

    def file(path: str) -> str:
        raise OSError("no such file")

    with pytest.raises(SecretError) as caught:
        evaluate("secret('a#b')", secret=secret)
    assert caught.value.retryable
    with pytest.raises(ExpressionError, match="no such file"):
        evaluate("file('a')", file=file)


@pytest.mark.parametrize(
    "source", ["1 / 0", "1 + 'a'", "'a' < 1", "{} < {}", "-'a'", "[1][none:'x']", "1 in 2", "{[1]: 2}", "5()", "x y"]
)
def test_a_wrong_operation_is_an_expression_error(source: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(source)


def test_arithmetic_and_comparison_work() -> None:
    assert evaluate("[7 // 2, 7 % 2, 7 / 2, 2 ** 10, -7, 'a' * 3, [1] + [2]]") == [3, 1, 3.5, 1024, -7, "aaa", [1, 2]]
    assert evaluate("1 < 2 <= 2 != 3") is True
    assert evaluate("1 < 2 > 5") is False
    assert evaluate("'b' not in ['a']") is True
    assert evaluate("'abcdef'[1:3] ~ [1, 2, 3][-1]") == "bc3"
    assert evaluate("'%05.1f|%s|%%' % [1.25, true]") == "001.2|true|%"
    assert evaluate("'{:>5}|{a}|{:%Y}'.format('x', d, a=[1])", d=datetime(2026, 1, 1, tzinfo=UTC)) == "    x|[1]|2026"


def test_unknown_filters_and_tests_are_told_with_what_was_meant() -> None:
    with pytest.raises(ExpressionError, match="no filter `to_jsn`") as caught:
        uses("x | to_jsn")
    assert "to_json" in caught.value.hint
    with pytest.raises(ExpressionError, match="no filter `uper`"):
        uses("x | map('uper')")
    with pytest.raises(ExpressionError, match="no test `defned`"):
        uses("x is defned")


def test_plugins_add_filters_which_are_asked_for_only_when_needed() -> None:
    asked: list[int] = []

    def more() -> dict[str, Any]:
        asked.append(1)
        return {"shout": lambda value: f"{value}!", "upper": lambda _value: "replaced", "odd": lambda _value: object()}

    language = Language(more)
    assert language.compile_value("{{ x | upper }}").render({"x": "a"}) == "A"
    assert asked == []
    assert language.compile_value("{{ x | shout }}").render({"x": "a"}) == "a!"
    assert language.compile_value("{{ x | shout | shout }}").render({"x": "a"}) == "a!!"
    with pytest.raises(ExpressionError, match="no plain data"):
        language.compile_value("{{ x | odd }}").render({"x": "a"})
    assert asked == [1]


def test_what_an_expression_uses_is_known_before_it_runs() -> None:
    found = uses(
        "outputs.dump.stdout[item.k].x ~ (vars['a'] | default(inputs.b)) ~ secret('x#y') ~ kv(inputs.c, default=1)"
    )

    assert set(found.paths) == {
        Path(("outputs", "dump", "stdout", None, "x")),
        Path(("item", "k")),
        Path(("vars", "a"), guarded=True),
        Path(("inputs", "b")),
        Path(("inputs", "c")),
    }
    assert found.calls == (Call("secret", ("x#y",)), Call("kv", (...,), (("default", 1),)))
    assert found.names == {"outputs", "item", "vars", "inputs"}
    assert found.filters == {"default"}
    assert not found.quoted


@pytest.mark.parametrize(
    ("source", "guarded"),
    [
        ("a.b | default(1)", True),
        ("a.b | upper | default(1)", False),
        ("a.b is defined", True),
        ("a.b if a.b is defined else 1", True),
        ("(a.b if true else 1) | default(2)", True),
        ("a.b.strip() | default(2)", False),
    ],
)
def test_a_path_with_a_default_is_guarded(source: str, guarded: bool) -> None:
    assert uses(source).paths == (Path(("a", "b"), guarded),)


def test_a_result_that_is_quoted_is_known() -> None:
    assert uses("x | quote").quoted
    assert uses("x | quote if y else 'z'").quoted
    assert not uses("x | quote | upper").quoted


def test_a_name_of_jinjas_own_is_no_name_here() -> None:
    for name in ("lipsum", "cycler", "joiner", "namespace", "caller", "context", "environment"):
        assert evaluate(f"{name} is defined") is False
