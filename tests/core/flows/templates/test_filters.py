"""The filters and tests, with the names and results that Ansible has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rota.errors import ExpressionError
from rota.flows.templates import compile_expression

NAMES: dict[str, Any] = {
    "d": {"b": 2, "a": {"x": [1]}},
    "rows": [{"n": "b", "v": 2, "up": True}, {"n": "a", "v": 1, "up": False}, {"n": "c", "v": 2, "up": True}],
    "at": datetime(2026, 1, 31, 2, 3, 4, tzinfo=UTC),
    "flow": {"timezone": "Europe/Paris"},
}


def evaluate(source: str) -> Any:
    return compile_expression(source).render(NAMES)


RESULTS: list[tuple[str, Any]] = [
    ("d | to_json", '{"b": 2, "a": {"x": [1]}}'),
    ("d | to_json(sort_keys=true)", '{"a": {"x": [1]}, "b": 2}'),
    ("d | to_nice_json(2)", '{\n  "a": {\n    "x": [\n      1\n    ]\n  },\n  "b": 2\n}'),
    ("'[1, {\"a\": null}]' | from_json", [1, {"a": None}]),
    ("d | to_nice_yaml", "b: 2\na:\n  x:\n  - 1\n"),
    ("'x' | to_yaml", "x\n"),
    ("d | to_yaml | from_yaml", {"b": 2, "a": {"x": [1]}}),
    ("'a: yes\nb: 012\nc: 2026-01-01\nd: 1.5\ne: ~\nf: \"1\"' | from_yaml", {
        "a": "yes", "b": 12, "c": "2026-01-01", "d": 1.5, "e": None, "f": "1"}),
    ("'a: &x [1]\nb: *x' | from_yaml", {"a": [1], "b": [1]}),
    ("'abcb' | regex_replace('b', 'x')", "axcx"),
    ("'abcb' | regex_replace('b', 'x', count=1)", "axcb"),
    (r"'ab12' | regex_replace('([a-z]+)(\\d+)', '\\2-\\g<1>')", "12-ab"),
    ("'AbaB' | regex_replace('b', 'x', ignorecase=true)", "Axax"),
    (r"'host-12' | regex_search('\\d+')", "12"),
    ("'host' | regex_search('x')", None),
    (r"'a=1' | regex_search('(\\w)=(?P<v>\\d)', '\\1', '\\g<v>')", ["a", "1"]),
    (r"'1.2.3.4' | regex_search('^\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}$')", "1.2.3.4"),
    (r"'a1 b2' | regex_findall('[a-z]\\d')", ["a1", "b2"]),
    (r"'a1 b2' | regex_findall('([a-z])(\\d)')", [["a", "1"], ["b", "2"]]),
    ("'a.b' | regex_escape", r"a\.b"),
    ("'é' | b64encode", "w6k="),
    ("'w6k=' | b64decode", "é"),
    ("{'a': 1} | combine({'b': 2}, {'a': 3})", {"a": 3, "b": 2}),
    ("{'a': {'x': 1}} | combine({'a': {'y': 2}}, recursive=true)", {"a": {"x": 1, "y": 2}}),
    ("{'a': {'x': 1}} | combine({'a': {'y': 2}})", {"a": {"y": 2}}),
    ("[{'a': [1]}, {'a': [2]}] | combine(list_merge='append')", {"a": [1, 2]}),
    ("{'a': [1, 2]} | combine({'a': [2, 3]}, list_merge='prepend_rp')", {"a": [2, 3, 1]}),
    ("rows | json_query('[?up].n')", ["b", "c"]),
    ("rows | json_query('nope')", None),
    ("\"it's\" | quote", "'it'\"'\"'s'"),
    ("['a b', 'c'] | quote", "'a b' c"),
    ("'/a/b.tar.gz' | basename", "b.tar.gz"),
    ("'/a/b.gz' | dirname", "/a"),
    ("'/a/b.gz' | splitext", ["/a/b", ".gz"]),
    ("['/a', 'b', 1] | path_join", "/a/b/1"),
    ("'a' | hash('sha256')", "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
    ("'a' | hash", "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"),
    ("'a b/é' | urlencode", "a%20b/%C3%A9"),
    ("{'a': 'x y', 'b': 1} | urlencode", "a=x%20y&b=1"),
    ("'https://u@h:8443/p?q=1' | urlsplit('port')", 8443),
    ("('https://h/p' | urlsplit).hostname", "h"),
    ("true | ternary('a', 'b')", "a"),
    ("none | ternary('a', 'b', 'c')", "c"),
    ("none | default('x')", None),
    ("none | default('x', true)", "x"),
    ("nope | d('x')", "x"),
    ("{'a': 1} | dict2items", [{"key": "a", "value": 1}]),
    ("[{'k': 'a', 'v': 1}] | items2dict('k', 'v')", {"a": 1}),
    ("[1, [2, [3, none]]] | flatten", [1, 2, 3]),
    ("[1, [2, [3]]] | flatten(1)", [1, 2, [3]]),
    ("[1, 2, 2] | union([3, 1])", [1, 2, 3]),
    ("[1, 2, 2] | intersect([2, 3])", [2]),
    ("[1, 2, 2] | difference([2, 3])", [1]),
    ("[1, 2] | symmetric_difference([2, 3])", [1, 3]),
    ("[{'a': 1}, {'a': 1}, true, 1, '1'] | unique", [{"a": 1}, True, 1, "1"]),
    ("rows | unique(attribute='v') | map(attribute='n') | list", ["b", "a"]),
    ("['a', 'b'] | zip([1, 2, 3])", [["a", 1], ["b", 2]]),
    ("['a'] | zip_longest([1, 2], fillvalue=0)", [["a", 1], [0, 2]]),
    ("dict(['a', 'b'] | zip([1, 2]))", {"a": 1, "b": 2}),
    ("[[3, 1] | min, [3, 1] | max, [3, 1] | sum, rows | sum('v')]", [1, 3, 4, 5]),
    ("rows | selectattr('up') | map(attribute='n') | join('+')", "b+c"),
    ("rows | rejectattr('n', 'in', ['a']) | list | length", 2),
    ("rows | selectattr('n', 'match', '[ab]') | map(attribute='n') | list", ["b", "a"]),
    ("[1, 2, 3] | select('odd') | list", [1, 3]),
    ("[1, 2, 3] | reject('odd')", [2]),
    ("['a', 'b'] | map('upper')", ["A", "B"]),
    ("['a'] | map('extract', {'a': {'b': 1}}, 'b')", [1]),
    ("rows | groupby('v') | map(attribute='grouper')", [1, 2]),
    ("(rows | groupby('v'))[1][1] | map(attribute='n')", ["b", "c"]),
    ("rows | sort(attribute='n') | map(attribute='n')", ["a", "b", "c"]),
    ("[1, 3, 2] | sort(reverse=true)", [3, 2, 1]),
    ("{'b': 1, 'a': 2} | dictsort", [["a", 2], ["b", 1]]),
    ("['yes' | bool, 'False' | bool, 1 | bool, none | bool]", [True, False, True, None]),
    ("['12' | int, '1.9' | int, 'x' | int(0), 'ff' | int(base=16)]", [12, 1, 0, 255]),
    ("['1.5' | float, 'x' | float(0.5)]", [1.5, 0.5]),
    ("[1.256 | round(2), 1.2 | round(0, 'ceil'), -1 | abs]", [1.26, 2.0, 1]),
    ("'a,b' | split(',')", ["a", "b"]),
    ("' a  b ' | split", ["a", "b"]),
    ("['Ab' | lower, 'Ab' | upper, 'ab' | capitalize, 'a b' | title, ' a ' | trim]", ["ab", "AB", "Ab", "A B", "a"]),
    ("'a\nb' | indent(2)", "a\n  b"),
    ("'a\nb' | indent(2, first=true)", "  a\n  b"),
    ("'a-b' | replace('-', '+')", "a+b"),
    ("'abcdefghij' | truncate(5)", "ab..."),
    ("'aa bb' | wordwrap(2)", "aa\nbb"),
    ("'%s-%03d' | format('a', 7)", "a-007"),
    ("'%(a)s %s' | format(a=1) if false else '%(a)s%%' % {'a': 1}", "1%"),
    ("'%s' % {'a': 1}", '{"a": 1}'),
    ("['a', 'b'] | first ~ ('xyz' | last) ~ ([1, 2] | length)", "az2"),
    ("'abc' | list | reverse", ["c", "b", "a"]),
    ("[1, 2, 3] | batch(2)", [[1, 2], [3]]),
    ("1536 | human_readable", "1.50 KB"),
    ("['1.5 K' | human_to_bytes, '2GB' | human_to_bytes, 10 | human_to_bytes]", [1536, 2147483648, 10]),
    ("[1 | type_debug, 'a' | type_debug]", ["int", "str"]),
    ("at | date('%F')", "2026-01-31"),
    ("at | date('%F %T %%F')", "2026-01-31 02:03:04 %F"),
    ("'2026-01-31T02:00:00Z' | date('%H')", "02"),
    ("at | timestamp", 1769824984),
    ("0 | to_datetime | date('%F %H %Z')", "1970-01-01 01 CET"),
    ("('31.01.2026' | to_datetime('%d.%m.%Y')).isoformat()", "2026-01-31T00:00:00+01:00"),
    ("at | in_timezone('Asia/Tokyo') | date('%H')", "11"),
    ("at | add('1h30m') | date('%H:%M')", "03:33"),
    ("at | subtract('P1D') | date('%F')", "2026-01-30"),
    ("at | subtract(at | subtract(90))", timedelta(seconds=90)),
    ("'1h30m' | duration", timedelta(minutes=90)),
    ("('1h30m' | duration).total_seconds() | int", 5400),
    ("'%Y' | strftime(at)", "2026"),
    ("'abc' is match('b')", False),
    ("'abc' is search('b')", True),
    ("'abc' is regex('B', ignorecase=true)", True),
    ("['7.10' is version('7.9', '>'), 'v1.0' is version('1.0.0'), '1.0rc1' is version('1.0', '<')]", [True] * 3),
    ("[[1] is subset([1, 2]), [1, 2] is superset([1]), [1] is contains(1)]", [True, True, True]),
    ("[[true, 1] is all, [0, ''] is any, '' is falsy, 'a' is truthy]", [True, False, True, True]),
    ("[none is none, 1 is number, {} is mapping, 'a' is string, 4 is divisibleby(2)]", [True] * 5),
]  # fmt: skip


@pytest.mark.parametrize(("source", "result"), RESULTS)
def test_a_filter_gives_what_it_says(source: str, result: Any) -> None:
    found = evaluate(source)

    assert found == result
    assert type(found) is type(result)


@pytest.mark.parametrize(
    "source",
    [
        "'x' | int",
        "'x' | float",
        "'maybe' | bool",
        "'{' | from_json",
        "'a: [' | from_yaml",
        "'a: 1\na: 2' | from_yaml",
        "'!!python/object:os.system {}' | from_yaml",
        "'a: *b' | from_yaml",
        "'a\n---\nb' | from_yaml",
        "'=' | b64decode",
        "'a' | regex_search('(')",
        "'a' | regex_replace('a', '\\\\9')",
        "'a' | hash('nope')",
        "'x' | to_datetime",
        "at | in_timezone('Mars/Base')",
        "at | in_timezone('../../etc/passwd')",
        "at | add('soon')",
        "[1, 'a'] | sort",
        "rows | sort(attribute='nope')",
        "[] | first",
        "rows | json_query('[')",
        "1 | length",
        "[1] | items2dict",
        "1 | combine({})",
        "'a' is version('1', '~')",
        "'a\0' | quote",
        "nope | mandatory",
        "rows | map('nope')",
        "rows | map",
        "(10.0 ** 300 * 10.0 ** 300) | to_json",
    ],
)
def test_a_filter_that_cannot_do_its_work_is_an_expression_error(source: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(source)


def test_quadratic_set_operations_are_linear_for_mappings() -> None:
    assert len(evaluate("range(8000) | map('string') | unique")) == 8000
