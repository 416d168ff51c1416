"""Polling triggers: what a source gives becomes executions once, whatever goes wrong."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from rota import Event
from rota.triggers import polling
from tests.core.triggers.conftest import Clockwork

FLOW = """
id: taken
namespace: data
triggers:
  - {id: queue, type: source.queue, name: "{{ vars.queue }}", interval: 1m, labels: {key: "{{ trigger.event.key }}"}}
variables: {queue: orders}
tasks: [{id: say, type: log, message: "{{ trigger.event | to_json }}"}]
"""


@pytest.fixture
def source(clockwork: Clockwork) -> Any:
    """The module of the source's plugin: `given` is what polls give next."""
    clockwork.deploy(FLOW)
    return sys.modules[clockwork.app.plugins.trigger_type("source.queue").__module__]


def events(*keys: str) -> list[Event]:
    return [Event(key, {"key": key}) for key in keys]


def poll(clockwork: Clockwork, source: Any, after: float = 60.0) -> None:
    """Let the interval pass, and wait until the poll has been taken in."""
    before = len(source.seen)
    clockwork.turn(after=after)
    clockwork.until(lambda: len(source.seen) > before)
    clockwork.until(lambda: not clockwork.part.polling.running, turns=True)


def keys(clockwork: Clockwork) -> list[str]:
    return sorted(row["trigger"]["event"]["key"] for row in clockwork.executions("taken"))


def test_events_become_executions_and_the_memory_moves_with_them(clockwork: Clockwork, source: Any) -> None:
    source.given += [events("a", "b"), [], events("b", "c")]
    poll(clockwork, source)
    assert keys(clockwork) == ["a", "b"]
    poll(clockwork, source)
    poll(clockwork, source)
    assert keys(clockwork) == ["a", "b", "c"], "a key that was seen before starts nothing"
    assert source.seen == [("orders", {}), ("orders", {"place": 2}), ("orders", {"place": 2})]
    clockwork.until(lambda: source.acknowledged == [["a", "b"], ["b", "c"]])
    assert {row["state"] for row in clockwork.ended("taken", 3)} == {"success"}


def test_a_poll_that_fails_is_told_and_done_again_later_and_later(clockwork: Clockwork, source: Any) -> None:
    source.given += [ValueError("the queue is away"), ValueError("still away"), events("a")]
    poll(clockwork, source)
    shown = clockwork.trigger("taken", "queue")
    assert (shown["failures"], shown["last_error"]) == (1, "ValueError: the queue is away")
    assert shown["next_at"] == clockwork.now + 120
    poll(clockwork, source, after=120)
    assert clockwork.trigger("taken", "queue")["next_at"] == clockwork.now + 240
    poll(clockwork, source, after=240)
    assert keys(clockwork) == ["a"]
    assert clockwork.trigger("taken", "queue")["last_error"] is None


@pytest.mark.parametrize(
    ("garbage", "message"),
    [
        ("text", "must return events, it returned a value of type `str`"),
        (["a"], "one was of type `str`"),
        ([Event("", {})], "without a key"),
        ([Event("a", {"now": object()})], "is no JSON"),
        ([Event("a", {"nan": float("nan")})], "is no JSON"),
    ],
)
def test_a_poll_that_gives_garbage_starts_nothing(
    clockwork: Clockwork, source: Any, garbage: Any, message: str
) -> None:
    source.given.append(garbage)
    poll(clockwork, source)
    assert message in clockwork.trigger("taken", "queue")["last_error"]
    assert clockwork.executions("taken") == []
    poll(clockwork, source, after=120)
    assert source.seen[-1] == ("orders", {}), "nothing of it is remembered"


def test_a_poll_that_never_returns_holds_up_nobody_else(
    clockwork: Clockwork, source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clockwork.deploy(FLOW.replace("id: taken", "id: other"))
    source.given += ["hang"]
    clockwork.turn(after=60)
    clockwork.until(lambda: len(source.seen) == 2)
    source.given += [events("x")]
    hanging = clockwork.until(lambda: len(clockwork.part.polling.running) == 1, turns=True)
    assert hanging
    clockwork.turn(after=61)
    clockwork.until(lambda: clockwork.executions("taken") or clockwork.executions("other"), turns=True)
    clockwork.turn(after=polling.HANGS)
    errors = [row["last_error"] or "" for row in clockwork.app.triggers.list()]
    assert sum("has not come back for" in error for error in errors) == 1
    source.gate.set()
    clockwork.until(lambda: not clockwork.part.polling.running, turns=True)


def test_a_trigger_that_was_redefined_while_it_polled_takes_nothing_of_that_poll(
    clockwork: Clockwork, source: Any
) -> None:
    source.given += ["hang"]
    clockwork.turn(after=60)
    clockwork.until(lambda: source.seen)
    clockwork.deploy(FLOW.replace("{{ vars.queue }}", "invoices"))
    source.gate.set()
    clockwork.until(lambda: not clockwork.part.polling.running, turns=True)
    assert clockwork.executions("taken") == []


@pytest.mark.parametrize("change", [("name:", "interval: 1m, name:"), ("triggers:", "disabled: true\ntriggers:")])
def test_events_of_a_trigger_that_was_redefined_meanwhile_are_neither_started_nor_acknowledged(
    clockwork: Clockwork, source: Any, change: tuple[str, str]
) -> None:
    source.given += [events("a")]
    clockwork.turn(after=60)
    clockwork.until(lambda: source.seen and not clockwork.part.polling._ended.empty())
    clockwork.deploy(FLOW.replace("{{ vars.queue }}", "invoices").replace(*change, 1).replace("interval: 1m, ", "", 1))
    before = clockwork.trigger("taken", "queue")
    clockwork.until(lambda: not clockwork.part.polling.running, turns=True)
    assert (clockwork.executions("taken"), source.acknowledged) == ([], [])
    assert clockwork.trigger("taken", "queue")["disabled"] == before["disabled"]


def test_an_event_that_cannot_start_is_seen_again_and_holds_up_no_other(clockwork: Clockwork, source: Any) -> None:
    clockwork.deploy(FLOW.replace("{{ trigger.event.key }}", "{{ 6 // trigger.event.number }}"))
    bad, good = Event("bad", {"key": "bad", "number": 0}), Event("good", {"key": "good", "number": 2})
    source.given += [[bad, good], [bad, good], [good]]
    poll(clockwork, source)
    assert keys(clockwork) == ["good"]
    assert clockwork.trigger("taken", "queue")["failures"] == 1
    poll(clockwork, source, after=120)
    assert source.seen[-1] == ("orders", {}), "its place has not moved"
    assert (keys(clockwork), source.acknowledged) == (["good"], [])
    poll(clockwork, source, after=3600)
    assert keys(clockwork) == ["good"]
    assert clockwork.trigger("taken", "queue")["failures"] == 0


def test_what_was_taken_and_not_acknowledged_is_acknowledged_by_the_next_server(
    clockwork: Clockwork, source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling.Polling, "_remembered", lambda *_: None)  # it dies right after the commit
    source.given += [events("a")]
    poll(clockwork, source)
    assert source.acknowledged == []
    clockwork.part.evaluator._forget()
    poll(clockwork, source)
    assert source.acknowledged == [["a"]]
    poll(clockwork, source)
    assert source.acknowledged == [["a"]]
    assert keys(clockwork) == ["a"]


def test_what_cannot_be_acknowledged_stays_owed_and_is_told_before_more_is_asked_for(
    clockwork: Clockwork, source: Any
) -> None:
    source.given += [events("a"), events("b")]
    source.refusals += [OSError("the queue is away"), OSError("still away")]
    poll(clockwork, source)
    shown = clockwork.trigger("taken", "queue")
    message = "what was taken cannot be acknowledged: OSError: the queue is away"
    assert (shown["failures"], shown["last_error"]) == (1, message)
    assert keys(clockwork) == ["a"]
    clockwork.turn(after=shown["next_at"] - clockwork.now)
    clockwork.until(lambda: clockwork.trigger("taken", "queue")["failures"] == 2, turns=True)
    assert len(source.seen) == 1, "nothing was asked for"
    poll(clockwork, source, after=3600)
    assert source.acknowledged == [["a"], ["b"]]
    assert keys(clockwork) == ["a", "b"]
    assert clockwork.trigger("taken", "queue")["last_error"] is None


def test_the_next_poll_waits_for_an_acknowledgement_that_takes_long(clockwork: Clockwork, source: Any) -> None:
    source.given += [events("a"), events("b")]
    source.refusals.append("hang")
    clockwork.turn(after=60)
    clockwork.until(lambda: keys(clockwork) == ["a"], turns=True)
    clockwork.turn(after=60)
    clockwork.turn(after=60)
    assert len(source.seen) == 1
    clockwork.turn(after=polling.HANGS)
    assert "has not come back for" in clockwork.trigger("taken", "queue")["last_error"]
    source.gate.set()
    clockwork.until(lambda: not clockwork.part.polling.running, turns=True)
    poll(clockwork, source)
    assert keys(clockwork) == ["a", "b"]


def test_a_poll_that_was_given_up_is_not_doubled_and_keeps_its_place(clockwork: Clockwork, source: Any) -> None:
    source.given += ["hang", events("a")]
    clockwork.turn(after=60)
    clockwork.until(lambda: source.seen)
    clockwork.part.evaluator._forget()
    clockwork.turn(after=60)
    assert (len(source.seen), len(clockwork.part.polling.running)) == (1, 1)
    source.gate.set()
    clockwork.until(lambda: not clockwork.part.polling.running, turns=True)
    poll(clockwork, source)
    assert keys(clockwork) == ["a"]


def test_an_event_seen_before_is_not_shown_as_what_was_started_last(clockwork: Clockwork, source: Any) -> None:
    source.given += [events("a"), events("a")]
    poll(clockwork, source)
    first = clockwork.trigger("taken", "queue")
    poll(clockwork, source)
    shown = clockwork.trigger("taken", "queue")
    assert (shown["execution_id"], shown["last_at"]) == (first["execution_id"], first["last_at"])
    assert clockwork.app.executions.get(shown["execution_id"])["flow"] == "taken"


def test_a_plugin_that_is_not_there_is_the_failure_of_its_trigger_alone(clockwork: Clockwork, source: Any) -> None:
    clockwork.deploy(FLOW.replace("source.queue", "absent.queue").replace("id: taken", "id: lost"))
    source.given += [events("a")]
    poll(clockwork, source)
    assert "absent" in clockwork.trigger("lost", "queue")["last_error"]
    assert keys(clockwork) == ["a"]
