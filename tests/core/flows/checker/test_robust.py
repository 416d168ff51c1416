"""Whatever loads can be checked: a finding at worst, never an exception, and every place is in the file."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yaml import safe_dump

from rota.errors import FlowError
from rota.flows.checker import CODES, check
from rota.flows.loader import parse_flow
from rota.plugins import Plugins

PLUGINS = Plugins()
PATHS = st.sampled_from(
    "inputs inputs.a vars.b outputs.t0.stdout outputs.t1 outputs[x] tasks.t2.state item item.name target error key "
    "trigger.event.x now() secret('a') secret(x) file('y') kv(1) range(3) x.y.z [1] {'a':1} 'text' 1 none true".split()
)
EXPRESSIONS = st.one_of(
    PATHS,
    st.builds("{} == {}".format, PATHS, PATHS),
    st.builds("{} | default({})".format, PATHS, PATHS),
    st.builds("({} if {} else {})".format, PATHS, PATHS, PATHS),
    st.builds("{} + {} ~ {}".format, PATHS, PATHS, PATHS),
    st.builds("not {} and {} or {}".format, PATHS, PATHS, PATHS),
    st.builds("{} | map('upper') | list | first".format, PATHS),
    st.builds("{}[{}]".format, PATHS, PATHS),
    st.builds("{}.upper().x".format, PATHS),
    st.builds("{}[1:2]".format, PATHS),
    st.text(alphabet="{}()[]|.'\"ab1 ", max_size=8),
)
VALUES = st.recursive(
    st.one_of(EXPRESSIONS.map("{{{{ {} }}}}".format), EXPRESSIONS, st.integers(), st.booleans(), st.none()),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=4,
)
LEAF_TYPES = ["log", "shell", "python", "output", "set", "assert", "kv.get", "kv.set", "fail", "exit", "nope.x"]
FIELDS = ["message", "command", "code", "script", "values", "conditions", "key", "value", "input", "env", "exit_codes"]


def steps(children: Any) -> Any:
    leaf = st.fixed_dictionaries(
        {"type": st.sampled_from(LEAF_TYPES)},
        optional=dict.fromkeys(FIELDS, VALUES) | {"when": EXPRESSIONS, "timeout": VALUES, "lock": EXPRESSIONS},
    )
    scopes = [
        {"type": st.just("sequential"), "tasks": children, "errors": children, "finally": children},
        {"type": st.just("parallel"), "tasks": children},
        {"type": st.just("if"), "condition": EXPRESSIONS, "then": children, "else": children},
        {"type": st.just("switch"), "value": VALUES, "cases": st.dictionaries(st.sampled_from("ab"), children)},
        {"type": st.just("foreach"), "items": VALUES, "tasks": children,
         "collect": st.dictionaries(st.sampled_from(["a", "key"]), EXPRESSIONS)},
        {"type": st.just("fleet"), "targets": VALUES, "select": EXPRESSIONS, "tasks": children},
        {"type": st.just("repeat"), "until": EXPRESSIONS, "max_iterations": st.just(2), "tasks": children},
        {"type": st.just("subflow"), "flow": st.sampled_from(["f", "g", "{{ x }}"]), "inputs": st.just({"a": "x"})},
    ]  # fmt: skip
    return st.lists(st.one_of(leaf, *(st.fixed_dictionaries(scope) for scope in scopes)), max_size=2)


FLOWS = st.fixed_dictionaries(
    {"tasks": st.recursive(st.just([]), steps, max_leaves=6)},
    optional={"outputs": st.dictionaries(st.sampled_from("ab"), VALUES), "variables": st.just({"b": "x"})},
)


def numbered(steps: list[Any], count: list[int]) -> None:
    for step in steps:
        step["id"] = f"t{count[0]}"
        count[0] += 1
        for key in ("tasks", "errors", "finally", "then", "else"):
            numbered(step.get(key, []), count)
        for inner in step.get("cases", {}).values() if isinstance(step.get("cases"), dict) else ():
            numbered(inner, count)


@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
@given(FLOWS)
def test_whatever_loads_can_be_checked(flow: dict[str, Any]) -> None:
    numbered(flow["tasks"], [0])
    source = safe_dump({"id": "f", "inputs": [{"id": "a", "type": "string"}], **flow}, sort_keys=False)
    try:
        loaded = parse_flow(source)
    except FlowError:
        return
    lines = source.split("\n")
    for finding in check(loaded, PLUGINS):
        assert finding.code in CODES
        assert finding.severity == CODES[finding.code].severity
        assert 1 <= finding.place.line <= len(lines)
        assert 1 <= finding.place.column <= len(lines[finding.place.line - 1]) + 1
