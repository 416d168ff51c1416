"""Flows that start after others have ended, and triggers that stop by themselves."""

from __future__ import annotations

from typing import Any

from tests.core.triggers.conftest import Clockwork

UPSTREAM = """
id: {id}
namespace: {namespace}
inputs: [{{id: fail, type: bool, default: false}}, {{id: word, type: secret, default: "s3cret-word"}}]
labels: {{env: prod}}
tasks:
  - {{id: may_fail, type: assert, conditions: [not inputs.fail]}}
outputs: {{rows: 7, word: "{{{{ inputs.word }}}}"}}
"""
AFTER = """
id: after
namespace: data
inputs: [{{id: rows, type: int, default: 0}}, {{id: word, type: secret, default: none}}]
triggers:
  - {{id: chain, type: flow, {trigger}}}
tasks: [{{id: say, type: log, message: "{{{{ trigger.event | to_json }}}}"}}]
"""


CAREFUL = """
id: careful
namespace: data
triggers:
  - {id: often, type: schedule, every: 10m, stop_after: [failed]}
tasks: [{id: no, type: fail, message: this cannot go on}]
"""


def start(clockwork: Clockwork, flow: str, namespace: str = "data", **inputs: Any) -> str:
    """Run a deployed flow to its end and return the execution's id."""
    execution = clockwork.app.executions.start(namespace, flow, inputs)
    clockwork.until(lambda: clockwork.app.executions.get(execution)["ended_at"])
    return execution


def ready(clockwork: Clockwork, trigger: str) -> None:
    clockwork.deploy(UPSTREAM.format(id="one", namespace="data"))
    clockwork.deploy(UPSTREAM.format(id="two", namespace="data.mongo"))
    clockwork.deploy(AFTER.format(trigger=trigger))
    clockwork.turn()


def test_a_flow_starts_after_another_with_its_outputs_as_inputs(clockwork: Clockwork) -> None:
    end = "trigger.event.execution.outputs"
    ready(clockwork, f"after: [{{flow: one}}], inputs: {{rows: '{{{{ {end}.rows }}}}', word: '{{{{ {end}.word }}}}'}}")
    execution = start(clockwork, "one")
    clockwork.turn()
    clockwork.turn()
    row = clockwork.ended("after", 1)[0]
    assert row["inputs"]["rows"] == 7
    assert row["trigger"]["event"]["execution"]["id"] == execution
    assert "s3cret-word" not in str(row), "what was secret there is secret here"
    log = clockwork.app.executions.logs(row["id"])
    assert not any("s3cret-word" in line["message"] for line in log)
    assert row["state"] == "success"


def test_only_what_the_conditions_name_counts(clockwork: Clockwork) -> None:
    ready(clockwork, "match: any, after: [{flow: one, states: [failed]}, {namespace: 'data.*', labels: {env: test}}]")
    start(clockwork, "one")
    start(clockwork, "two", "data.mongo")
    clockwork.turn()
    assert clockwork.executions("after") == []
    failed = start(clockwork, "one", fail=True)
    clockwork.turn()
    assert [row["trigger"]["event"]["execution"]["id"] for row in clockwork.executions("after")] == [failed]


def test_all_conditions_within_a_window_start_the_flow_once(clockwork: Clockwork) -> None:
    ready(clockwork, "window: 1h, after: [{flow: one}, {namespace: 'data.*', flow: two}]")
    first = start(clockwork, "one")
    clockwork.turn()
    assert clockwork.executions("after") == []
    clockwork.part.evaluator._forget()  # as in another server that goes on with it
    newer = start(clockwork, "one")
    clockwork.turn()
    second = start(clockwork, "two", "data.mongo")
    clockwork.turn()
    clockwork.turn()
    rows = clockwork.executions("after")
    assert [one["id"] for one in rows[0]["trigger"]["event"]["executions"]] == [newer, second]
    assert len(rows) == 1
    assert first not in str(rows[0]["trigger"])
    start(clockwork, "two", "data.mongo")
    clockwork.turn()
    assert len(clockwork.executions("after")) == 1, "the window begins anew"


def test_an_end_that_lies_further_back_than_the_window_does_not_count(clockwork: Clockwork) -> None:
    ready(clockwork, "window: 1s, after: [{flow: one}, {namespace: data.mongo, flow: two}]")
    execution = start(clockwork, "one")
    clockwork.turn()
    ended = clockwork.app.executions.get(execution)["ended_at"]
    import time

    clockwork.until(lambda: time.time() > ended + 1.1)
    start(clockwork, "two", "data.mongo")
    clockwork.turn()
    assert clockwork.executions("after") == []


def test_ends_from_before_anybody_listened_start_nothing(clockwork: Clockwork) -> None:
    clockwork.deploy(UPSTREAM.format(id="one", namespace="data"))
    start(clockwork, "one")
    ready(clockwork, "after: [{flow: one}]")
    clockwork.turn()
    assert clockwork.executions("after") == []


def test_a_trigger_stops_after_an_execution_that_ends_as_it_says(clockwork: Clockwork) -> None:
    clockwork.deploy(CAREFUL)
    clockwork.turn()
    clockwork.turn(after=601)
    clockwork.ended("careful", 1)
    clockwork.until(lambda: not clockwork.trigger("careful", "often")["enabled"], turns=True)
    clockwork.turn(after=6000)
    [execution] = clockwork.executions("careful")
    by = clockwork.app.triggers.get("data", "careful", "often")["switched"]
    assert by == {"at": by["at"], "author": "stop_after", "execution_id": execution["id"], "state": "failed"}


def test_a_trigger_that_was_enabled_since_does_not_stop_after_what_it_started_before(clockwork: Clockwork) -> None:
    clockwork.deploy(CAREFUL)
    clockwork.turn()
    clockwork.turn(after=601)
    [execution] = clockwork.ended("careful", 1)
    for enabled in (False, True):
        clockwork.app.triggers.switch("data", "careful", "often", enabled=enabled, author="ada")
    clockwork.turn()
    assert clockwork.trigger("careful", "often")["enabled"]
    by = clockwork.app.triggers.get("data", "careful", "often")["switched"]
    assert (by["author"], by["at"] > execution["created_at"]) == ("ada", True)


def test_one_trigger_switched_off_and_another_on_between_two_turns_are_both_seen(clockwork: Clockwork) -> None:
    clockwork.deploy(UPSTREAM.format(id="one", namespace="data"))
    for name in ("a", "b"):
        clockwork.deploy(AFTER.format(trigger="after: [{flow: one}]").replace("id: after", f"id: after-{name}"))
    clockwork.app.triggers.switch("data", "after-b", "chain", enabled=False)
    clockwork.turn()
    start(clockwork, "one")
    clockwork.until(lambda: clockwork.executions("after-a"), turns=True)
    clockwork.app.triggers.switch("data", "after-a", "chain", enabled=False)
    clockwork.app.triggers.switch("data", "after-b", "chain", enabled=True)
    start(clockwork, "one")
    clockwork.until(lambda: clockwork.executions("after-b"), turns=True)
    assert [len(clockwork.executions(f"after-{name}")) for name in "ab"] == [1, 1]
