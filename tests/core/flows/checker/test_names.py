"""What expressions read: names, inputs, variables, tasks and what those give; what they call."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rota.errors import Finding
from rota.settings import Settings
from tests.core.flows.checker.conftest import Check, begin

BODY = """
inputs: [{id: env, type: string}, {id: pw, type: secret}]
variables: {list: [{a: 1}], bucket: b, deep: {x: {y: 1}}}
tasks:
  - {id: use, type: http.request, url: "{{ inputs }}{{ vars }}"}
  - {id: given, type: output, values: {a: 1, b: "{{ vars.bucket }}"}}
  - {id: prog, type: shell, command: ls}
  - {id: fe, type: foreach, items: vars.list, tasks: [{id: in, type: log, message: "{{ item.a }}"}], collect: {c: key}}
  - {id: ask, type: pause, inputs: [{id: ok, type: bool}]}
  - {id: a, type: output, values: {x: "%s"}}
"""


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ inputs.env }} {{ vars.list[0].a }} {{ outputs.given.a }} {{ outputs.prog.whatever }}", []),
        ("{{ outpts.x }}", ["unknown-name @ outpts"]),
        ("{{ inputs.evn }}", ["unknown-input @ evn"]),
        ("{{ vars.buckt }}", ["unknown-variable @ buckt"]),
        ("{{ vars.deep.x.z }}", ["unknown-attribute @ z"]),
        ("{{ vars.list[0].b }}", ["unknown-attribute @ b"]),
        ("{{ vars.list.x }}", ["unknown-attribute @ x"]),
        ("{{ vars.bucket.upper() }} {{ vars.bucket[0] }}", []),
        ("{{ vars.nope | default('x') }} {{ vars.nope is defined }}", []),
        ("{{ outputs.uze.status }}", ["unknown-task @ uze"]),
        ("{{ tasks.uze.state }}", ["unknown-task @ uze"]),
        ("{{ tasks.use.stat }}", ["unknown-attribute @ stat"]),
        ("{{ outputs.use.sttus }}", ["unknown-output @ sttus"]),
        ("{{ outputs.use.json.any.thing[3] }}", []),
        ("{{ outputs.use.text.lines }}", ["unknown-attribute @ lines"]),
        ("{{ outputs.given.c }}", ["unknown-output @ c"]),
        ("{{ outputs.in }}", ["hidden-task @ in"]),
        ("{{ outputs.fe.rows[0].c }} {{ outputs.fe.counts.failed }} {{ outputs.fe.failed[0] }}", []),
        ("{{ outputs.fe.rows[0].d }}", ["unknown-attribute @ d"]),
        ("{{ outputs.fe.row }}", ["unknown-output @ row"]),
        ("{{ outputs.ask.ok }}", []),
        ("{{ execution.id }} {{ execution.started_at.year }} {{ flow.id }} {{ task.attempt }} {{ labels.x }}", []),
        ("{{ execution.name }}", ["unknown-attribute @ name"]),
        ("{{ trigger.event.a.b }} {{ trigger.date | date }}", []),
        ("{{ target }}", ["misplaced-name @ target"]),
        ("{{ item }} {{ index }}", ["misplaced-name @ item", "misplaced-name @ index"]),
        ("{{ error.message }}", ["misplaced-name @ error"]),
        ("{{ error.message | default('') }}", []),
        ("{{ kv('a') }} {{ now() }} {{ range(3) | list }} {{ dict(a=1) }}", []),
        ("{{ nope() }}", ["unknown-name @ nope"]),
        ("{{ file('a.txt') }}", ["missing-file @ a.txt"]),
        ("{{ secret('a/b#c') }}", []),
        ("{{ secret('') }}", ["invalid-value @ secret"]),
        ("{{ secret('a/../b') }}", ["invalid-value @ secret"]),
        ("{{ 1 + }}", ["invalid-expression @ 1 +"]),
        ("{{ 'x' | nope }}", ["invalid-expression @ 'x'"]),
        ("a {{ 'x' | upper }} {{ x is nope }}", ["invalid-expression @ x is"]),
        ("{{ 'x' | reversed_name }}", []),
        ("a {{ b", ["invalid-expression @ {{ b"]),
    ],
)
def test_what_is_read_must_be_there(points: Check, source: str, expected: list[str]) -> None:
    found = points(BODY % source)
    assert begin(found, expected), found


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("outpts.x", "did you mean `outputs`?"),
        ("inputs.evn", "did you mean `env`?"),
        ("outputs.uze", "did you mean `use`?"),
        ("outputs.use.sttus", "did you mean `status`?"),
        ("tasks.use.stat", "did you mean `state`?"),
        ("target", "`target` is there inside of a `fleet`"),
        ("outputs.in", "name what is needed in `collect` of `fe`, and read `outputs.fe.rows`"),
    ],
)
def test_a_hint_says_what_was_meant(findings: Callable[..., list[Finding]], source: str, hint: str) -> None:
    (found,) = findings("id: f\n" + BODY % f"{{{{ {source} }}}}")
    assert found.hint == hint


SECRETS = """
inputs: [{id: pw, type: secret}]
tasks:
  - {id: use, type: http.request, url: "{{ inputs.pw }}{{ secret('a') }}"}
  - %s
"""


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("{id: a, type: log, message: \"{{ secret('x') }}\"}", ["secret-not-allowed @ secret"]),
        ('{id: a, type: log, message: "{{ inputs.pw }}"}', ["secret-not-allowed @ inputs.pw"]),
        ('{id: a, type: log, message: "{{ outputs.use.token }}"}', ["secret-not-allowed @ outputs.use.token"]),
        ("{id: a, type: kv.set, key: k, value: \"{{ secret('x') }}\"}", ["secret-not-allowed @ secret"]),
        ("{id: a, type: exit, when: secret('x') == 'y'}", ["secret-not-allowed @ secret"]),
        ("{id: a, type: exit, lock: \"{{ secret('x') }}\"}", ["secret-not-allowed @ secret"]),
        ("{id: a, type: fail, message: \"{{ secret('x') }}\"}", ["secret-not-allowed @ secret"]),
        ("{id: a, type: subflow, flow: x, inputs: {a: \"{{ secret('x') }}\"}}", []),
        ("{id: a, type: foreach, items: [1], tasks: [], collect: {x: inputs.pw}}", ["secret-not-allowed @ inputs.pw"]),
        ("{id: a, type: fleet, targets: \"{{ secret('x') }}\", tasks: []}", ["wrong-type @", "secret-not-allowed @ s"]),
        ('{id: a, type: fleet, targets: [a], key: "{{ inputs.pw }}", tasks: []}', ["secret-not-allowed @ inputs.pw"]),
        ("{id: a, type: repeat, until: inputs.pw == 'x', max_iterations: 1, tasks: []}", ["secret-not-allowed @ inp"]),
    ],
)
def test_secrets_neither_steer_nor_show(points: Check, task: str, expected: list[str]) -> None:
    found = points(SECRETS % task)
    assert begin(found, expected), found


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("outputs: {a: \"{{ secret('x') }}\"}", ["secret-not-allowed @ secret"]),
        ("labels: {a: \"{{ secret('x') }}\"}", ["secret-not-allowed @ secret"]),
        ("concurrency: {limit: 1, key: \"{{ secret('x') }}\"}", ["secret-not-allowed @ secret"]),
        ('concurrency: {limit: 1, key: "{{ outputs.a }}"}', ["misplaced-name @ outputs"]),
        ('inputs: [{id: a, type: string, default: "{{ outputs.x }}"}]', ["unused-input", "misplaced-name @ outputs"]),
        ('outputs: {a: "{{ outputs.a.text }}"}', ["unknown-task @ a"]),
        ('variables: {a: "{{ inputs.x }}"}', ["unused-variable @ a", "template-not-rendered @"]),
        ("inputs: [{id: a, type: string}]", ["unused-input @ a"]),
        ("variables: {a: 1}", ["unused-variable @ a"]),
    ],
)
def test_keys_of_the_flow_are_checked(points: Check, key: str, expected: list[str]) -> None:
    found = points(f"tasks: [{{id: b, type: log, message: x}}]\n{key}")
    assert begin(found, expected), found


TRIGGERS = """
variables: {bucket: b}
inputs: [{id: env, type: string, default: x}]
triggers: [{id: t, %s}]
tasks: [{id: a, type: log, message: "{{ inputs.env }}"}]
"""


@pytest.mark.parametrize(
    ("trigger", "expected"),
    [
        ("type: objectstore.arrived, bucket: \"{{ vars.bucket }} {{ secret('x') }} {{ flow.id }} {{ now() }}\"", []),
        ('type: objectstore.arrived, bucket: "{{ inputs.env }}"', ["unused-variable", "misplaced-name @ inputs"]),
        ('type: objectstore.arrived, bucket: "{{ vars.buckt }}"', ["unused-variable", "unknown-variable @ buckt"]),
        ("type: objectstore.arrived, bucket: \"{{ vars.bucket }}{{ kv('x') }}\"", ["misplaced-name @ kv"]),
        ("type: objectstore.arrived, bucket: \"{{ vars.bucket }}{{ secrt('x') }}\"", ["unknown-name @ secrt"]),
        ('type: objectstore.arrived, bucket: "{{ vars.bucket }}{{ vars. }}"', ["invalid-expression @ vars."]),
        ("type: webhook, token: \"{{ secret('x') }}\", when: vars.bucket == 'b'", []),
        ('type: webhook, hmac: "{{ vars.bucket }}"', ["misplaced-name @ vars"]),
    ],
)
def test_fields_of_triggers_are_checked(points: Check, trigger: str, expected: list[str]) -> None:
    found = points(TRIGGERS % trigger)
    assert begin(found, expected), found


def test_variables_of_the_namespace_are_known(points: Check, tmp_path: object) -> None:
    settings = Settings.model_validate({"home": str(tmp_path), "namespaces": {"data": {"variables": {"x": 1}}}})
    body = 'tasks: [{id: b, type: log, message: "{{ vars.x }}"}]'
    assert points(body, settings=settings, namespace="data") == []
    assert begin(points(body, settings=settings), ["unknown-variable @ x"])


def test_a_variable_that_is_set_is_known(points: Check) -> None:
    body = 'tasks: [{id: s, type: set, values: {x: 1}}, {id: b, type: log, message: "{{ vars.x }}"}]'
    assert points(body) == []


def test_a_secret_needs_a_backend_that_is_open_to_the_namespace(points: Check, tmp_path: object) -> None:
    backends = [{"id": "env", "type": "env", "namespaces": ["other"]}]
    settings = Settings.model_validate({"home": str(tmp_path), "secrets": backends})
    body = "tasks: [{id: b, type: http.request, url: \"{{ secret('x') }}\"}]"
    assert begin(points(body, settings=settings), ["no-secret-backend @ secret"])
    assert points(body, settings=settings, namespace="other.team") == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("files: [a.py]\ntasks: [{id: p, type: python, script: a.py}]", []),
        ("files: [a.py]\ntasks: [{id: p, type: python, script: b.py}]", ["missing-file @ b.py"]),
        ("tasks: [{id: p, type: python, script: a.py}]", ["missing-file @ a.py"]),
        ("files: [a.py]\ntasks: [{id: p, type: log, message: \"{{ file('a.py') }}\"}]", []),
    ],
)
def test_files_must_be_among_the_files_of_the_flow(points: Check, body: str, expected: list[str]) -> None:
    found = points(body, {"a.py": "x"})
    assert begin(found, expected), found


SHELL = """
inputs: [{id: env, type: string, default: "{{ vars.x }}"}]
variables: {x: 1}
tasks:
  - {id: a, type: http.request, url: "{{ inputs.env }}"}
  - {id: b, type: shell, command: %s}
"""


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ('"echo {{ outputs.a.text }}"', ["shell-injection @ outputs.a.text"]),
        ('"{{ outputs.a.text }}"', ["shell-injection @ outputs.a.text"]),
        ('"echo {{ trigger.event.x }}"', ["shell-injection @ trigger.event.x"]),
        ('"echo {{ outputs.a.text | upper }}"', ["shell-injection @ outputs"]),
        ('"echo {{ outputs.a.text | quote }}"', []),
        ('"echo {{ outputs.a.status }}"', []),
        ('"echo {{ outputs.a.text | length }}"', []),
        ('"echo {{ inputs.env }}"', []),
        ('[echo, "{{ outputs.a.text }}"]', []),
        ("\"{{ ['echo', outputs.a.text] }}\"", []),
        ("\"echo {{ kv('x') }}\"", ["shell-injection @ kv"]),
    ],
)
def test_what_comes_from_outside_must_be_quoted_in_shell_text(points: Check, command: str, expected: list[str]) -> None:
    found = points(SHELL % command)
    assert begin(found, expected), found


CONDITIONS = """
inputs: [{id: n, type: int}, {id: yes, type: bool}]
tasks:
  - {id: a, type: http.request, url: "{{ inputs.n }} {{ inputs.yes }}"}
  - {id: b, type: log, message: x, when: %s}
"""


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("inputs.yes", []),
        ("inputs.n > 3 and outputs.a.status == 200", []),
        ("outputs.a.json.x", []),
        ("'\"false\"'", ['not-boolean @ "false"']),
        ('"false"', ['constant-condition @ "false"']),
        ("false", ["constant-condition @ false"]),
        ("1 == 1", ["constant-condition @ 1 == 1"]),
        ("yes", ["unknown-name @ yes"]),
        ("inputs.n", ["not-boolean @ inputs.n"]),
        ("outputs.a.text", ["not-boolean @ outputs.a.text"]),
        ('"{{ inputs.n }} > 3"', ["invalid-expression @"]),
    ],
)
def test_a_condition_gives_true_or_false_and_not_always_the_same(points: Check, when: str, expected: list[str]) -> None:
    found = points(CONDITIONS % when)
    assert begin(found, expected), found
