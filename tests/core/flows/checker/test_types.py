"""Types and their fields: what does not exist, what is missing, what is of the wrong type."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rota.errors import Finding
from rota.settings import Settings
from tests.core.dists import Dists
from tests.core.flows.checker.conftest import Check, begin

TASKS = [
    ("{id: a, type: ssh.comand}", ["unknown-type @ ssh.comand"]),
    ("{id: a, type: mongo.dump}", ["unknown-type @ mongo.dump"]),
    ("{id: a, type: lgo, message: x}", ["unknown-type @ lgo"]),
    ("{id: a, type: log, mesage: x}", ["missing-field @ log", "unknown-field @ mesage"]),
    ("{id: a, type: log, message: x, level: loud}", ["invalid-value @ loud"]),
    ("{id: a, type: log, message: x, level: '{{ vars.level }}'}", ["unknown-variable @ level"]),
    ("{id: a, type: shell, command: ls, exit_codes: [0, a]}", ["invalid-value @ a]"]),
    ("{id: a, type: shell, command: ls, exit_codes: ['{{ 1 }}', 2]}", []),
    ("{id: a, type: shell, command: ls, exit_codes: {}}", ["wrong-type @ {}"]),
    ("{id: a, type: shell, command: ls, exit_codes: []}", ["invalid-value @ []"]),
    ("{id: a, type: shell, command: ls, env: {A: [1], B: '{{ 1 }}'}}", ["wrong-type @ [1]"]),
    ("{id: a, type: shell, command: ls, env: {A-B: x}}", ["invalid-value @ {A-B"]),
    ("{id: a, type: python}", ["invalid-value @ python"]),
    ("{id: a, type: python, code: 1}", ["wrong-type @ 1"]),
    ("{id: a, type: python, code: !raw '{{ x }}'}", []),
    ("{id: a, type: python, code: 'print(1)', script: '{{ trigger.event.x }}'}", []),
    ("{id: a, type: assert, conditions: []}", ["invalid-value @ []"]),
    ("{id: a, type: assert, conditions: ['1 > 2', execution.run > 1]}", ["constant-condition @ '1 > 2'"]),
    ("{id: a, type: ssh.command, host: h, command: ls}", ["missing-field @ ssh.command"]),
    ("{id: a, type: ssh.command, host: h, user: u, command: ls, port: x}", ["invalid-value @ x"]),
    ("{id: a, type: ssh.command, host: h, user: u, command: ls, private_key: abc}", ["secret-in-flow @ abc"]),
    ("{id: a, type: http.request, url: 1}", ["wrong-type @ 1"]),
    ("{id: a, type: http.request, url: x, tags: [a, 1]}", ["wrong-type @ 1"]),
]


@pytest.mark.parametrize(("task", "expected"), TASKS)
def test_a_task_is_checked_against_its_type(points: Check, task: str, expected: list[str]) -> None:
    found = points(f"tasks: [{task}]")
    assert begin(found, expected), found


@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        ("ssh.comand", "did you mean `ssh.command`?"),
        ("mongo.dump", "rota-mongo provides mongo.*: pip install rota-mongo"),
        ("lgo", "did you mean `log`?"),
        ("foreech", "did you mean `foreach`?"),
        ("zzzzzz", "`rota plugins` lists what is installed"),
    ],
)
def test_an_unknown_type_says_what_was_meant(findings: Callable[..., list[Finding]], kind: str, hint: str) -> None:
    (found,) = findings(f"id: f\ntasks: [{{id: a, type: {kind}}}]")
    assert found.hint == hint


def test_a_broken_plugin_is_told_apart_from_a_missing_one(points: Check, dists: Dists) -> None:
    dists.install("bad", "raise ValueError('no')")
    assert begin(points("tasks: [{id: a, type: bad.task}]"), ["broken-plugin @ bad.task"])


INPUTS = """
inputs:
  - {id: n, type: int}
  - {id: yes, type: bool}
  - {id: list, type: list}
  - {id: json, type: json}
  - {id: day, type: date}
  - {id: level, type: select, values: [info, loud]}
  - {id: never, type: select, values: [loud, louder]}
  - {id: maybe, type: string, default: null}
tasks:
  - {id: use, type: output, values: {a: "{{ inputs }}"}}
  - {id: a, type: http.request, url: x}
"""


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ('http.request, url: "{{ inputs.n }}"', ["wrong-type @ {{ inputs.n }}"]),
        ('http.request, url: "{{ inputs.yes }}"', ["wrong-type @ {{ inputs.yes }}"]),
        ('http.request, url: "{{ inputs.list }}"', ["wrong-type @ {{ inputs.list }}"]),
        ('http.request, url: "{{ inputs.n + 1 }}"', ["wrong-type @ {{ inputs.n + 1 }}"]),
        ('http.request, url: "n={{ inputs.n }}"', []),
        ('http.request, url: "{{ inputs.n | string }}"', []),
        ('http.request, url: "{{ inputs.json }}"', []),
        ('http.request, url: "{{ inputs.maybe }}"', []),
        ('http.request, url: x, retries: "{{ inputs.n }}"', []),
        ('http.request, url: x, retries: "{{ outputs.a.status }}"', []),
        ('http.request, url: x, retries: "{{ outputs.a.text }}"', []),
        ('http.request, url: x, retries: "{{ inputs.list }}"', ["wrong-type @ {{ inputs.list }}"]),
        ('http.request, url: x, tags: "{{ inputs.n }}"', ["wrong-type @ {{ inputs.n }}"]),
        ('http.request, url: x, tags: "{{ outputs.a.text }}"', ["wrong-type @ {{ outputs.a.text }}"]),
        ('http.request, url: x, tags: "{{ outputs.a.text.split() }}"', []),
        ('log, message: x, level: "{{ inputs.level }}"', []),
        ('log, message: x, level: "{{ inputs.never }}"', ["wrong-type @ {{ inputs.never }}"]),
        ('log, message: "{{ inputs.day.year }}"', []),
    ],
)
def test_what_an_expression_gives_must_fit_the_field(points: Check, task: str, expected: list[str]) -> None:
    found = points(f"{INPUTS}  - {{id: b, type: {task}}}\n")
    assert begin(found, expected), found


def test_a_default_that_a_type_does_not_have_is_told_where_it_stands(points: Check) -> None:
    body = """
defaults:
  ssh.*: {user: backup, hots: x}
tasks: [{id: a, type: ssh.command, host: h, command: ls}]
"""
    assert begin(points(body), ["unknown-field @ hots"])


def test_only_allowed_types_may_be_used(points: Check, tmp_path: object) -> None:
    settings = Settings.model_validate({"home": str(tmp_path), "namespaces": {"data": {"allow": ["log", "ssh.*"]}}})
    body = "tasks: [{id: a, type: log, message: x}, {id: b, type: shell, command: ls}]"
    assert begin(points(body, settings=settings, namespace="data.mongo"), ["type-not-allowed @ shell"])
    assert points(body, settings=settings) == []
