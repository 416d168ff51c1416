"""The JSON Schema: flows that load fit it, mistakes give one error at their place, editors find descriptions."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import yaml

from rota.flows.models import CONTROL_TYPES
from rota.flows.schema import build
from rota.plugins import Plugins
from tests.core.dists import dists as dists
from tests.core.flows.checker.conftest import plugins as plugins
from tests.core.flows.test_loader import EXAMPLE


@pytest.fixture
def schema(plugins: Plugins) -> dict[str, Any]:
    return build(plugins)


def errors(schema: dict[str, Any], source: str) -> list[str]:
    """Return `path: message` of each error."""
    validator = jsonschema.Draft202012Validator(schema)
    found = validator.iter_errors(yaml.safe_load(source))
    return sorted(f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in found)


def test_the_schema_is_a_schema_and_plain_json(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)
    assert json.loads(json.dumps(schema)) == schema


def test_every_reference_leads_somewhere(schema: dict[str, Any]) -> None:
    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            return own + [one for item in value.values() for one in references(item)]
        return [one for item in value for one in references(item)] if isinstance(value, list) else []

    found = {one.removeprefix("#/$defs/") for one in references(schema)}
    assert found <= schema["$defs"].keys()


def test_the_example_of_the_language_fits(schema: dict[str, Any]) -> None:
    assert errors(schema, EXAMPLE) == []


@pytest.mark.parametrize(
    "tasks",
    [
        "[{id: a, type: log, message: [1, '{{ x }}']}]",
        "[{id: a, type: shell, command: ls, exit_codes: '{{ vars.codes }}', timeout: 5m, retry: {attempts: 3}}]",
        "[{id: a, type: shell, command: ls, exit_codes: [0, '{{ vars.code }}'], env: {A: '{{ x }}', B: 1}}]",
        "[{id: a, type: ssh.command, host: h, user: u, command: [ls, -l], port: '{{ vars.port }}'}]",
        "[{id: a, type: objectstore.put, uri: x, file: '{{ outputs.x.stdout }}'}]",
        "[{id: a, type: if, condition: x, then: [{id: b, type: log, message: x}], else: []}]",
        "[{id: a, type: switch, value: x, cases: {a: [{id: b, type: exit}]}}]",
        "[{id: a, type: fleet, targets: x, rollout: {batch: 20%}, tasks: [{id: b, type: sleep, duration: 1m}]}]",
        "[{id: a, type: assert, conditions: [x > 1, true]}]",
    ],
)
def test_what_the_language_takes_fits(schema: dict[str, Any], tasks: str) -> None:
    assert errors(schema, f"id: f\ntasks: {tasks}") == []


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("{id: a, type: log, mesage: x, message: x}", "'mesage' was unexpected"),
        ("{id: a, type: lgo}", "'lgo' is not one of"),
        ("{id: a}", "'type' is a required property"),
        ("{id: a, type: shell, command: ls, fail_fast: 3}", "3 is not valid under any of the given schemas"),
        ("{id: a, type: python, code: 1}", "1 is not valid under any of the given schemas"),
        ("{id: a, type: if, condition: x}", "'then' is a required property"),
        ("{id: a, type: ssh.command, host: h, user: u, command: ls, port: x}", "'x' is not valid under any"),
    ],
)
def test_a_mistake_gives_one_error(schema: dict[str, Any], task: str, expected: str) -> None:
    (one,) = errors(schema, f"id: f\ntasks: [{task}]")
    assert one.startswith("tasks.0")
    assert expected in one


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("inputs: [{id: a, type: int, min: x}]", "inputs.0.min: 'x' is not valid under any of the given schemas"),
        ("inputs: [{id: a, type: itn}]", "inputs.0.type: 'itn' is not one of"),
        ("triggers: [{id: a, type: schedule, corn: x}]", "'corn' was unexpected"),
        ("triggers: [{id: a, type: objectstore.arrived}]", "'bucket' is a required property"),
        ("defaults: {ssh.command: {hots: x}}", "'hots' was unexpected"),
        ("alerts: [{id: ops, to: [chat], stats: [failed]}]", "'stats' was unexpected"),
        ("alerts: [{id: ops, to: [chat], states: [lost]}]", "alerts.0.states.0: 'lost' is not one of"),
        ("alerts: [{id: ops}]", "'to' is a required property"),
        ("naem: x", "'naem' was unexpected"),
    ],
)
def test_inputs_triggers_and_defaults_are_told_by_their_type(schema: dict[str, Any], key: str, expected: str) -> None:
    (one,) = errors(schema, f"id: f\ntasks: []\n{key}")
    assert expected in one


def test_editors_find_every_type_with_a_description(schema: dict[str, Any], plugins: Plugins) -> None:
    kinds = schema["$defs"]["Task"]["properties"]["type"]
    assert kinds["enum"] == sorted([*CONTROL_TYPES, *plugins.type_names("task type")])
    described = dict(zip(kinds["enum"], kinds["markdownEnumDescriptions"], strict=True))
    assert described["ssh.command"] == "Run a program on a host."
    assert all(described.values())
    command = schema["$defs"]["task:shell"]["properties"]["command"]
    assert command["markdownDescription"].startswith("Text for the shell")
    assert "```yaml" in schema["$defs"]["task:shell"]["markdownDescription"]


def test_raw_fields_take_no_template_in_place_of_another_type(schema: dict[str, Any]) -> None:
    code = schema["$defs"]["task:python"]["properties"]["code"]
    assert {"type": "string"} in code["anyOf"]
