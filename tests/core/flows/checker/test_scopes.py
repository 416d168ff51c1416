"""Scopes: what never runs, lists and their keys, cases, limits; clocks; triggers; flows that run each other."""

from __future__ import annotations

import pytest

from rota.flows.loader import parse_flow
from rota.flows.models import Flow
from tests.core.flows.checker.conftest import Check, begin

LOG = "[{id: x, type: log, message: x}]"


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("{id: s, type: sequential, tasks: [], finally: %l}", ["restart-unsaid @ finally"]),
        ("{id: s, type: sequential, tasks: [], finally: %l, restart: all}", []),
        ("{id: f, type: fail}, {id: y, type: log, message: x}", ["unreachable-task @ y"]),
        ("{id: f, type: exit, when: kv('x')}, {id: y, type: log, message: x}", []),
        ("{id: p, type: parallel, tasks: [{id: f, type: fail}, {id: y, type: log, message: x}]}", []),
        ("{id: e, type: foreach, items: [1], tasks: %l, collect: {state: index, error: index, ok: index}}",
         ["reserved-column @ state", "reserved-column @ error"]),
        ("{id: e, type: foreach, items: 3, tasks: %l}", ["wrong-type @ 3"]),
        ("{id: e, type: foreach, items: \"{{ 'a' }}\", tasks: %l}", ["wrong-type @"]),
        ("{id: e, type: foreach, items: {a: 1}, tasks: [{id: y, type: log, message: '{{ item.value }}'}]}", []),
        ("{id: e, type: fleet, targets: [{host: a}], tasks: %l}", ["index-as-key @ [{host"]),
        ("{id: e, type: fleet, targets: [{name: a}, {id: 2}, b], tasks: %l}", []),
        ("{id: e, type: fleet, targets: [{host: a}], key: '{{ target.host }}', tasks: %l}", []),
        ("{id: e, type: fleet, targets: [a, b, a], tasks: %l}", ["duplicate-target @ a]"]),
        ("{id: e, type: fleet, targets: [{name: a}], tasks: [{id: y, type: log, message: '{{ target.hots }}'}]}",
         ["unknown-attribute @ hots"]),
        ("{id: e, type: fleet, targets: [a], key: '{{ key }}', tasks: %l}", ["misplaced-name @ key"]),
        ("{id: e, type: fleet, targets: [a], lock: '{{ key }}', select: target != 'b', tasks: %l}", []),
        ("{id: e, type: fleet, targets: [a], select: true, tasks: %l}", ["constant-condition @ true"]),
        ("{id: e, type: fleet, targets: [a], expect: {min: 3, max: 2}, tasks: %l}",
         ["impossible-limits @ {min", "impossible-limits @ 3"]),
        ("{id: e, type: fleet, targets: [a, b], expect: {max: 1}, tasks: %l}", ["impossible-limits @ 1"]),
        ("{id: e, type: repeat, until: false, max_iterations: 3, tasks: %l}", ["constant-condition @ false"]),
        ("{id: e, type: if, condition: true, then: %l}", ["constant-condition @ true"]),
        ("{id: e, type: python, code: \"print('{{ vars.x }}')\"}", ["template-not-rendered @ {{ vars"]),
        ("{id: e, type: python, code: \"print(f'{{}}')\"}", []),
    ],
)  # fmt: skip
def test_scopes_are_checked(points: Check, task: str, expected: list[str]) -> None:
    found = points(f"tasks: [{task.replace('%l', LOG)}]")
    assert begin(found, expected), found


@pytest.mark.parametrize(
    ("spec", "cases", "expected"),
    [
        ("type: select, values: [a, b]", "{a: [], b: []}", []),
        ("type: select, values: [a, b]", "{a: [], c: []}", ["missing-case @ cases", "unreachable-case @ c"]),
        ("type: select, values: [a, b]", "{a: []}, default: []", []),
        ("type: select, values: [1, 2]", "{'1': [], '2': []}", []),
        ("type: bool", "{'true': [], 'yes': []}, default: []", ["unreachable-case @ 'yes'"]),
        ("type: string", "{a: []}", []),
    ],
)
def test_cases_must_fit_what_the_value_can_be(points: Check, spec: str, cases: str, expected: list[str]) -> None:
    body = f'inputs: [{{id: i, {spec}}}]\ntasks: [{{id: s, type: switch, value: "{{{{ inputs.i }}}}", cases: {cases}}}]'
    found = points(body)
    assert begin(found, expected), found


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("timezone: Europe/Paris", []),
        ("timezone: Europe/Pariss", ["unknown-timezone @ Europe"]),
        ('sla: {done_by: "07:30"}', []),
        ("sla: {done_by: noon}", ["invalid-value @ noon"]),
        ("triggers: [{id: t, type: schedule, cron: '0 2 * * 1-5'}]", []),
        ("triggers: [{id: t, type: schedule, cron: '@daily', timezone: Asia/Tokyo}]", []),
        ("triggers: [{id: t, type: schedule, cron: '@dayly'}]", ["invalid-cron @"]),
        ("triggers: [{id: t, type: schedule, cron: '0 2 * *'}]", ["invalid-cron @"]),
        ("triggers: [{id: t, type: schedule, cron: '99 2 * * *'}]", ["invalid-cron @"]),
        ("triggers: [{id: t, type: schedule, cron: '0 0 30 2 *'}]", ["cron-never-fires @"]),
        ("triggers: [{id: t, type: schedule, cron: '0 0 31 4,6 *'}]", ["cron-never-fires @"]),
        ("triggers: [{id: t, type: schedule, cron: '0 2 * * *', timezone: Mars}]", ["unknown-timezone @ Mars"]),
        ("triggers: [{id: t, type: schedule, dates: ['2020-01-01T00:00:00']}]", ["date-passed @"]),
        ("triggers: [{id: t, type: schedule, dates: ['2020-01-01T00:00:00', '2999-01-01T00:00:00Z']}]", []),
        ("triggers: [{id: t, type: webhook}]", ["open-webhook @ webhook"]),
        ("triggers: [{id: t, type: webhook, token: abcdefgh, when: trigger.event.x == 1}]", []),
        ("triggers: [{id: t, type: webhook, token: abcdefgh, when: 'yes'}]", ["unknown-name @"]),
        ("triggers: [{id: t, type: objectstore.arrived, bucket: b, interval: 5m}]", []),
        ("triggers: [{id: t, type: objectstore.arrived, bukcet: b}]", ["missing-field @", "unknown-field @ bukcet"]),
        ("triggers: [{id: t, type: objectstore.arived}]", ["unknown-type @ objectstore.arived"]),
        ("triggers: [{id: t, type: flow, after: [{flow: f}]}]", ["trigger-circle @ {flow"]),
        ("triggers: [{id: t, type: flow, after: [{}]}]", ["trigger-circle @ {}"]),
        ("triggers: [{id: t, type: flow, window: 0s, after: [{flow: a}, {flow: b}]}]", ["invalid-value @ 0s"]),
        ("triggers: [{id: t, type: flow, window: 1h, after: [{flow: a}]}]", ["misplaced-key @ window"]),
        ("triggers: [{id: t, type: flow, after: [{flow: other}]}]", []),
        ("triggers: [{id: t, type: flow, after: [{flow: f, namespace: else}]}]", []),
        ("triggers: [{id: t, type: schedule, cron: '0 2 * * *', inputs: {x: 1}}]", ["unknown-input @ x"]),
    ],
)
def test_clocks_and_triggers_are_checked(points: Check, key: str, expected: list[str]) -> None:
    found = points(f"tasks: {LOG}\n{key}")
    assert begin(found, expected), found


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ("", ["missing-input @ t"]),
        (", inputs: {n: x}", ["invalid-value @ x"]),
        (", inputs: {n: 1}", []),
        (', inputs: {n: "{{ trigger.event.n }}"}', []),
        (', inputs: {n: "{{ outputs.n }}"}', ["misplaced-name @ outputs"]),
    ],
)
def test_a_trigger_gives_what_the_flow_needs(points: Check, inputs: str, expected: list[str]) -> None:
    body = f"""
inputs: [{{id: n, type: int}}]
tasks: [{{id: a, type: log, message: "{{{{ inputs.n }}}}"}}]
triggers: [{{id: t, type: schedule, cron: "0 2 * * *"{inputs}}}]
"""
    found = points(body)
    assert begin(found, expected), found


SUB = """
id: sub
inputs: [{id: n, type: int}, {id: o, type: string, default: x}]
tasks: [{id: a, type: log, message: "{{ inputs }}"}]
outputs: {total: "{{ inputs.n }}"}
"""


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("flow: sub, inputs: {n: 1}", []),
        ("flow: sub", ["missing-input @ sub"]),
        ("flow: sub, inputs: {n: x}", ["invalid-value @ x"]),
        ('flow: sub, inputs: {n: "{{ trigger.event.n }}"}', []),
        ("flow: sub, inputs: {n: 1, p: 2}", ["unknown-input @ p"]),
        ("flow: gone", []),
        ("flow: sub, namespace: other, inputs: {z: 1}", []),
        ("flow: f", ["subflow-circle @ f"]),
        ("flow: f, when: kv('x')", ["recursive-subflow @ f"]),
    ],
)
def test_a_subflow_beside_the_flow_is_known(points: Check, task: str, expected: list[str]) -> None:
    found = points(f"tasks: [{{id: s, type: subflow, {task}}}]", {"more/sub.yaml": SUB})
    assert begin(found, expected), found


@pytest.mark.parametrize(
    ("name", "expected"), [("total", []), ("execution_id", []), ("totl", ["unknown-output @ totl"])]
)
def test_the_outputs_of_a_subflow_are_known(points: Check, name: str, expected: list[str]) -> None:
    body = f"""
tasks:
  - {{id: s, type: subflow, flow: sub, inputs: {{n: 1}}}}
  - {{id: l, type: log, message: "{{{{ outputs.s.{name} }}}}"}}
"""
    found = points(body, {"sub.yaml": SUB})
    assert begin(found, expected), found


OTHERS = {
    "b": "id: b\ntasks: [{id: s, type: subflow, flow: c}]",
    "c": "id: c\ntasks: [{id: s, type: subflow, flow: f}]\ntriggers: [{id: t, type: flow, after: [{flow: f}]}]",
    "d": "id: d\ntasks: [{id: s, type: subflow, flow: c, when: kv('x')}]\n"
         "triggers: [{id: t, type: flow, after: [{flow: c}]}]",
    "e": "id: e\ntasks: []",
}  # fmt: skip


def lookup(namespace: str, name: str) -> Flow | None:
    return parse_flow(OTHERS[name]).flow if namespace == "default" and name in OTHERS else None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("tasks: [{id: s, type: subflow, flow: b}]", ["subflow-circle @ b"]),
        ("tasks: [{id: s, type: subflow, flow: d}]", ["recursive-subflow @ d"]),
        ("tasks: [{id: s, type: subflow, flow: e}]", []),
        ("tasks: [{id: s, type: subflow, flow: gone}]", ["unknown-flow @ gone"]),
        ("tasks: []\ntriggers: [{id: t, type: flow, after: [{flow: e}]}]", []),
        ("tasks: []\ntriggers: [{id: t, type: flow, after: [{flow: gone}]}]", ["unknown-flow @ gone"]),
        ("tasks: []\ntriggers: [{id: t, type: flow, after: [{flow: d}]}]", ["trigger-circle @ {flow"]),
        (
            "tasks: [{id: s, type: subflow, flow: e}]\ntriggers: [{id: t, type: flow, after: [{flow: e}]}]",
            ["trigger-circle @ {flow"],
        ),
        (
            "tasks: [{id: s, type: subflow, flow: e}]\ntriggers: [{id: t, type: flow, after: [{flow: e, labels: {team: web}}]}]",
            [],
        ),
        (
            "tasks: [{id: s, type: subflow, flow: e}]\ntriggers: [{id: t, type: flow, after: [{flow: e}, {flow: e, states: [failed]}]}]",
            [],
        ),
        (
            "tasks: [{id: s, type: subflow, flow: e}]\ntriggers: [{id: t, type: flow, after: [{flow: e}, {flow: e, states: [failed]}], match: any}]",
            ["trigger-circle @ {flow", "trigger-circle @ {flow"],
        ),
    ],
)
def test_deployed_flows_are_followed(points: Check, body: str, expected: list[str]) -> None:
    found = points(body, flows=lookup)
    assert begin(found, expected), found
