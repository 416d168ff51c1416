"""Findings as people read them, and as tools do: JSON, annotations of GitHub, SARIF 2.1.0."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from rota.errors import Finding

Findings = Sequence[Finding]
_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LONGEST = 160
_PROPERTY = {"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"}


def report(findings: Iterable[Finding], format: str = "human", *, sources: Mapping[str, str] | None = None) -> str:
    """Return `findings` in a format of `FORMATS`, ending in a newline unless empty.

    `sources` are the texts of the files by the name that places have; `human` shows the lines from them. Raises
    KeyError for an unknown format.
    """
    return FORMATS[format](list(findings), sources or {})


def summary(findings: Findings) -> str:
    """Return how many errors and warnings there are, in words."""
    errors = sum(finding.severity == "error" for finding in findings)
    parts = [_counted(errors, "error"), _counted(len(findings) - errors, "warning")]
    return " and ".join(part for part in parts if part) or "nothing found"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count > 1 else ''}" if count else ""


def _human(findings: Findings, sources: Mapping[str, str]) -> str:
    if not findings:
        return ""
    lines: dict[str, list[str]] = {name: text.splitlines() for name, text in sources.items()}
    blocks = ["\n".join(_block(finding, lines.get(finding.place.file, []))) for finding in findings]
    return "\n\n".join([*blocks, summary(findings)]) + "\n"


def _block(finding: Finding, lines: Sequence[str]) -> list[str]:
    place = finding.place
    block = [f"{place}: {finding.severity}[{finding.code}]: {finding.message}"]
    if 0 < place.line <= len(lines):
        shown, column = _cut(_visible(lines[place.line - 1]), max(place.column, 1))
        number = str(place.line)
        block += [f"  {number} | {shown}", f"  {' ' * len(number)} | {' ' * (_width(shown[: column - 1]))}^"]
    if finding.hint:
        block.append(f"  hint: {finding.hint}")
    return block


def _visible(line: str) -> str:
    """Return a line without what would move the cursor of a terminal; each character stays one."""
    return "".join(
        char if char.isprintable() else " " if char == "\t" else "\N{REPLACEMENT CHARACTER}" for char in line
    )


def _width(text: str) -> int:
    """Return how many cells of a terminal `text` takes."""
    import unicodedata

    return sum(0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF") for char in text)


def _cut(line: str, column: int) -> tuple[str, int]:
    """Return the part of a long line around `column`, and the column in it."""
    if len(line) <= _LONGEST:
        return line, column
    start = max(0, column - 1 - _LONGEST // 2)
    part = line[start : start + _LONGEST]
    before, after = "…" if start else "", "…" if start + _LONGEST < len(line) else ""
    return f"{before}{part}{after}", column - start + len(before)


def as_data(finding: Finding) -> dict[str, Any]:
    """Return a finding as JSON values."""
    place = finding.place
    return {
        "file": place.file,
        "line": place.line,
        "column": place.column,
        "severity": finding.severity,
        "code": finding.code,
        "message": finding.message,
        "hint": finding.hint,
    }


def _json(findings: Findings, _: Mapping[str, str]) -> str:
    return json.dumps([as_data(finding) for finding in findings], ensure_ascii=False, indent=2) + "\n"


def _github(findings: Findings, _: Mapping[str, str]) -> str:
    return "".join(f"{_annotation(finding)}\n" for finding in findings)


def _annotation(finding: Finding) -> str:
    place = finding.place
    properties = {"file": place.file, "title": f"rota {finding.code}"}
    if place.line:
        properties |= {"line": str(place.line), "col": str(place.column)}
    shown = ",".join(f"{name}={_escaped(value, _PROPERTY)}" for name, value in properties.items())
    text = f"{finding.message}\nhint: {finding.hint}" if finding.hint else finding.message
    return f"::{finding.severity} {shown}::{_escaped(text, dict(list(_PROPERTY.items())[:3]))}"


def _escaped(text: str, table: Mapping[str, str]) -> str:
    return "".join(table.get(char, char) for char in text)


def _sarif(findings: Findings, _: Mapping[str, str]) -> str:
    from rota import __version__
    from rota.flows.checker.codes import CODES

    used = sorted({finding.code for finding in findings})
    rules = [
        {
            "id": code,
            "shortDescription": {"text": CODES[code].summary if code in CODES else code},
            "defaultConfiguration": {"level": CODES[code].severity if code in CODES else "error"},
        }
        for code in used
    ]
    driver = {"name": "rota", "version": __version__, "semanticVersion": __version__, "rules": rules}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, used.index(finding.code)) for finding in findings],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, ensure_ascii=False, indent=2) + "\n"


def _result(finding: Finding, rule: int) -> dict[str, Any]:
    place = finding.place
    physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(place.file)}}
    if place.line:
        physical["region"] = {"startLine": place.line, "startColumn": max(place.column, 1)}
    text = f"{finding.message}; {finding.hint}" if finding.hint else finding.message
    return {
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": finding.severity,
        "message": {"text": text},
        "locations": [{"physicalLocation": physical}],
    }


def _uri(file: str) -> str:
    path = quote(file.replace("\\", "/"), safe="/._-~")
    return f"file://{path}" if path.startswith("/") else path.removeprefix("./")


FORMATS: dict[str, Callable[[Findings, Mapping[str, str]], str]] = {
    "human": _human,
    "json": _json,
    "github": _github,
    "sarif": _sarif,
}
"""What `rota check --format` takes."""
