"""Findings in each format: to be read, and to be read by tools."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from rota.errors import Finding, Place
from rota.flows.reporting import FORMATS, report, summary

SOURCE = 'id: f\ntasks:\n  - {id: a, type: lgo}\n\t日本 "{{ x }}"\n'
FINDINGS = [
    Finding("unknown-type", "unknown task type `lgo`", Place("flows/a b.yaml", 3, 19), "did you mean `log`?"),
    Finding("unknown-name", "there is no name `x`", Place("flows/a b.yaml", 4, 9), severity="warning"),
    Finding("empty-flow", "100% wrong,\nreally: yes", Place("/other.yaml")),
]
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["tool"],
                "additionalProperties": False,
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name"],
                                "properties": {"rules": {"type": "array", "items": {"$ref": "#/$defs/rule"}}},
                            }
                        },
                    },
                    "results": {"type": "array", "items": {"$ref": "#/$defs/result"}},
                },
            },
        },
    },
    "$defs": {
        "text": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}},
        "level": {"enum": ["none", "note", "warning", "error"]},
        "rule": {
            "type": "object",
            "required": ["id"],
            "properties": {
                "shortDescription": {"$ref": "#/$defs/text"},
                "defaultConfiguration": {"type": "object", "properties": {"level": {"$ref": "#/$defs/level"}}},
            },
        },
        "result": {
            "type": "object",
            "required": ["message"],
            "properties": {
                "level": {"$ref": "#/$defs/level"},
                "message": {"$ref": "#/$defs/text"},
                "ruleIndex": {"type": "integer", "minimum": -1},
                "locations": {"type": "array", "items": {"$ref": "#/$defs/location"}},
            },
        },
        "location": {
            "type": "object",
            "properties": {
                "physicalLocation": {
                    "type": "object",
                    "properties": {
                        "artifactLocation": {
                            "type": "object",
                            "properties": {"uri": {"type": "string", "format": "uri-reference"}},
                        },
                        "region": {
                            "type": "object",
                            "additionalProperties": False,
                            "properties": {
                                "startLine": {"type": "integer", "minimum": 1},
                                "startColumn": {"type": "integer", "minimum": 1},
                            },
                        },
                    },
                }
            },
        },
    },
}
"""What the standard asks of the parts that are written here."""


def test_people_see_the_line_and_a_caret_under_the_place() -> None:
    text = report(FINDINGS, sources={"flows/a b.yaml": SOURCE})
    assert text.splitlines() == [
        "flows/a b.yaml:3:19: error[unknown-type]: unknown task type `lgo`",
        "  3 |   - {id: a, type: lgo}",
        "    |                   ^",
        "  hint: did you mean `log`?",
        "",
        "flows/a b.yaml:4:9: warning[unknown-name]: there is no name `x`",
        '  4 |  日本 "{{ x }}"',
        "    |           ^",
        "",
        "/other.yaml: error[empty-flow]: 100% wrong,",
        "really: yes",
        "",
        "2 errors and 1 warning",
    ]


def test_a_long_line_is_cut_around_the_place() -> None:
    line = "x" * 500 + "!" + "y" * 500
    shown, caret = report([Finding("c", "m", Place("f", 1, 501))], sources={"f": line}).splitlines()[1:3]
    assert len(shown) < 180
    assert shown[caret.index("^")] == "!"


def test_what_would_move_the_cursor_of_a_terminal_is_not_printed() -> None:
    text = report([Finding("c", "m", Place("f", 1, 1))], sources={"f": "a\x1b[2Jb"})
    assert "\x1b" not in text


@pytest.mark.parametrize(("format", "expected"), [("human", ""), ("json", "[]\n"), ("github", "")])
def test_nothing_found_gives_next_to_nothing(format: str, expected: str) -> None:
    assert report([], format) == expected
    assert summary([]) == "nothing found"


def test_json_has_every_part() -> None:
    found = json.loads(report(FINDINGS, "json"))
    assert found[0] == {
        "file": "flows/a b.yaml",
        "line": 3,
        "column": 19,
        "severity": "error",
        "code": "unknown-type",
        "message": "unknown task type `lgo`",
        "hint": "did you mean `log`?",
    }
    assert [one["code"] for one in found] == ["unknown-type", "unknown-name", "empty-flow"]


def test_annotations_for_github_are_escaped_and_one_line_each() -> None:
    assert report(FINDINGS, "github").splitlines() == [
        (
            "::error file=flows/a b.yaml,title=rota unknown-type,line=3,col=19::"
            "unknown task type `lgo`%0Ahint: did you mean `log`?"
        ),
        "::warning file=flows/a b.yaml,title=rota unknown-name,line=4,col=9::there is no name `x`",
        "::error file=/other.yaml,title=rota empty-flow::100%25 wrong,%0Areally: yes",
    ]


def test_sarif_has_what_the_standard_asks() -> None:
    found: dict[str, Any] = json.loads(report(FINDINGS, "sarif"))
    jsonschema.Draft202012Validator(SARIF).validate(found)
    (run,) = found["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert [rules[result["ruleIndex"]] for result in run["results"]] == [one.code for one in FINDINGS]
    places = [result["locations"][0]["physicalLocation"] for result in run["results"]]
    assert [place["artifactLocation"]["uri"] for place in places] == [
        "flows/a%20b.yaml",
        "flows/a%20b.yaml",
        "file:///other.yaml",
    ]
    assert [place.get("region") for place in places] == [
        {"startLine": 3, "startColumn": 19},
        {"startLine": 4, "startColumn": 9},
        None,
    ]


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(KeyError):
        report([], "xml")
    assert [*FORMATS] == ["human", "json", "github", "sarif"]
