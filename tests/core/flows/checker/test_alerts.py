"""Alert rules of flows: their keys, their sinks, and what their texts may use."""

from __future__ import annotations

from pathlib import Path

import pytest

from rota.errors import FlowError
from rota.flows.loader import parse_flow
from rota.settings import Settings
from tests.core.flows.checker.conftest import Check

FLOW = "id: f\ntasks: [{id: a, type: log, message: hello}]\nalerts:\n  - {id: ops, to: [chat], RULE}\n"


def settings(folder: Path) -> Settings:
    return Settings.model_validate({"home": str(folder), "sinks": [{"id": "chat", "type": "log"}]})


def refusal(rule: str) -> list[str]:
    with pytest.raises(FlowError) as refused:
        parse_flow(FLOW.replace("RULE", rule), "f.yaml")
    return [f"{one.place.line}:{one.place.column} {one.code} {one.message}" for one in refused.value.findings]


def test_a_rule_with_every_key_is_right(points: Check, tmp_path: Path) -> None:
    body = """
tasks: [{id: a, type: log, message: hello}]
alerts:
  - id: ops
    to: [chat]
    about: [execution, sla, schedule, trigger, secret]
    states: [failed, warning, cancelled, success, paused]
    labels: {team: data}
    severity: critical
    title: "{{ flow.id }} is {{ alert.state }}"
    text: "{{ alert.text }} {{ targets.failed | join(', ') }} {{ error.message | default('') }} {{ incidents | length }}"
    group: 5m
    recovery: false
    disabled: true
"""
    assert points(body, settings=settings(tmp_path)) == []


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ("states: [lost]", "4:36 invalid-value `alerts[0].states[0]` must be `success`, `warning`"),
        ("about: [disk]", "4:35 invalid-value `alerts[0].about[0]` must be `execution`, `sla`"),
        ("group: soon", "4:34 invalid-value `alerts[0].group`: `soon` is not a duration"),
        ("namespaces: [a]", "4:27 unknown-key `alerts[0]` has no key `namespaces`"),
        ("title: 3", "4:34 wrong-type `alerts[0].title` must be text"),
    ],
)
def test_a_wrong_key_of_a_rule_has_its_place(rule: str, found: str) -> None:
    (one,) = refusal(rule)
    assert one.startswith(found), one


def test_two_rules_of_a_flow_cannot_have_the_same_id() -> None:
    (one,) = refusal("recovery: true}\n  - {id: ops, to: [chat]")
    assert one.startswith("5:10 duplicate-id the alert rule `ops` is already at")


def test_a_sink_that_the_settings_do_not_have_is_found(points: Check, tmp_path: Path) -> None:
    body = "tasks: [{id: a, type: log, message: x}]\nalerts: [{id: ops, to: [chat, chad]}]"
    (found,) = points(body, settings=settings(tmp_path))
    assert found.startswith("unknown-sink @ chad")
    assert points(body) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{{ outputs.a }}", "misplaced-name @ outputs"),
        ("{{ alert.titel }}", "unknown-attribute @ titel"),
        ("{{ secret('a#b') }}", "secret-not-allowed @ secret"),
        ("{{ nothing }}", "unknown-name @ nothing"),
        ("{{ 1 + }}", "invalid-expression @ "),
    ],
)
def test_what_a_text_uses_is_checked(points: Check, text: str, found: str) -> None:
    body = f'tasks: [{{id: a, type: log, message: x}}]\nalerts: [{{id: ops, to: [chat], text: "{text}"}}]'
    (one,) = points(body)
    assert one.startswith(found), one
