"""Schedules of deployed flows: what they start, what they remember, and how they are switched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rota.store import triggers
from rota.triggers.dates import stamp
from tests.core.triggers.conftest import Clockwork

FLOW = """
id: nightly
namespace: data
inputs: [{{id: day, type: string, default: none}}]
triggers:
  - {{id: each, type: schedule, every: {every}, inputs: {{day: "{day}"}}, labels: {{by: "{{{{ trigger.id }}}}"}}{more}}}
tasks:
  - {{id: say, type: log, message: "{{{{ inputs.day }}}} {{{{ trigger.type }}}} {{{{ trigger.date }}}}"}}
"""
DAY = "{{ trigger.date | date('%F') }}"


def flow(every: str = "10m", day: str = DAY, more: str = "") -> str:
    return FLOW.format(every=every, day=day, more=more)


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def test_a_schedule_starts_its_flow_at_each_date_once(clockwork: Clockwork) -> None:
    clockwork.deploy(flow())
    begin = clockwork.now
    clockwork.turn()
    for _ in range(5):
        clockwork.turn(after=300)
        clockwork.turn()
    rows = clockwork.ended("nightly", 2)
    assert [row["trigger"]["date"] for row in rows] == [iso(begin + 600), iso(begin + 1200)]
    assert {row["state"] for row in rows} == {"success"}
    assert rows[0]["labels"] == {"by": "each"}
    assert rows[0]["inputs"] == {"day": iso(begin + 600)[:10]}
    assert rows[0]["author"] == "trigger each"
    shown = clockwork.trigger("nightly", "each")
    assert (shown["last_at"], shown["next_at"], shown["last_error"]) == (begin + 1200, begin + 1800, None)
    assert shown["execution_id"] == rows[1]["id"]


def test_another_deployment_of_the_same_schedule_changes_nothing_and_another_schedule_counts_from_now(
    clockwork: Clockwork,
) -> None:
    clockwork.deploy(flow())
    begin = clockwork.now
    clockwork.turn(after=550)
    clockwork.deploy(flow() + "description: the same schedule\n")
    clockwork.turn(after=100)
    assert clockwork.dates("nightly") == [iso(begin + 600)]
    clockwork.now += 500
    clockwork.deploy(flow(every="20m"))
    clockwork.turn(after=600)
    assert clockwork.dates("nightly") == [iso(begin + 600)], "what the old one would have had is not made up for"
    clockwork.turn(after=600)
    assert clockwork.dates("nightly")[1:] == [iso(begin + 1150 + 1200)]


def test_what_passed_while_nothing_ran_is_made_up_for(clockwork: Clockwork) -> None:
    clockwork.deploy(flow(more=", on_missed: all, max_missed: 3"))
    begin = clockwork.now
    clockwork.turn(after=600 * 5 + 300)
    assert clockwork.dates("nightly") == [iso(begin + 600 * number) for number in (3, 4, 5)]


def test_a_schedule_that_was_disabled_counts_from_when_it_is_enabled(clockwork: Clockwork) -> None:
    clockwork.deploy(flow(more=", on_missed: all"))
    begin = clockwork.now
    assert clockwork.app.triggers.switch("data", "nightly", "each", enabled=False, author="ann")
    assert not clockwork.app.triggers.switch("data", "nightly", "each", enabled=False)
    clockwork.turn(after=3000)
    assert clockwork.dates("nightly") == []
    with clockwork.frozen():
        assert clockwork.app.triggers.switch("data", "nightly", "each", enabled=True)
    clockwork.turn(after=1000)
    assert clockwork.dates("nightly") == [iso(begin + 3600)], "what passed meanwhile is not made up for"
    clockwork.deploy(flow() + "disabled: true\n")
    assert clockwork.trigger("nightly", "each")["disabled"]


def test_a_date_that_when_says_no_to_starts_nothing_and_is_no_failure(clockwork: Clockwork) -> None:
    clockwork.deploy(flow(more=", when: trigger.date.minute > 99"))
    clockwork.turn(after=601)
    assert clockwork.executions("nightly") == []
    assert clockwork.trigger("nightly", "each")["failures"] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"day": "{{ trigger.event.missing.deeper }}"}, "missing"),
        ({"more": ", when: 'trigger.id'"}, "text `each`"),
    ],
)
def test_a_trigger_that_cannot_start_its_flow_says_why_and_goes_on(
    clockwork: Clockwork, change: dict[str, str], message: str
) -> None:
    clockwork.deploy(flow(**change))
    clockwork.turn(after=601)
    clockwork.turn(after=600)
    shown = clockwork.trigger("nightly", "each")
    assert clockwork.executions("nightly") == []
    assert shown["failures"] == 2
    assert message in shown["last_error"]
    assert shown["next_at"] > clockwork.now
    clockwork.deploy(flow(every="11m"))
    clockwork.turn(after=661)
    assert clockwork.trigger("nightly", "each")["last_error"] is None
    assert len(clockwork.executions("nightly")) == 1


def test_an_execution_that_was_cancelled_or_purged_holds_nothing_back(clockwork: Clockwork) -> None:
    source = flow().replace("tasks:", "concurrency: {limit: 1, on_limit: queue}\ntasks:")
    clockwork.deploy(source.replace("- {id: say", "- {id: nap, type: sleep, duration: 1h}\n  - {id: say"))
    clockwork.turn(after=600)
    first = clockwork.until(lambda: clockwork.executions("nightly"))[0]["id"]
    clockwork.app.executions.cancel(first)
    clockwork.until(lambda: clockwork.app.executions.get(first)["ended_at"])
    clockwork.turn(after=600)
    second = clockwork.executions("nightly")[1]["id"]
    clockwork.until(lambda: clockwork.app.executions.get(second)["state"] == "running")
    clockwork.app.executions.cancel(second)
    clockwork.until(lambda: clockwork.app.executions.get(second)["ended_at"])
    clockwork.app.maintenance.purge(timedelta(days=-1))
    assert clockwork.executions("nightly") == []
    with clockwork.app.store.read() as conn:
        assert triggers.fired_keys(conn, "data", "nightly", "each", [stamp(clockwork.now)]) == {}
    clockwork.turn()
    assert clockwork.executions("nightly") == [], "its mark stays, although the firings are gone"
    clockwork.turn(after=600)
    assert len(clockwork.executions("nightly")) == 1


def test_a_deleted_flow_starts_nothing(clockwork: Clockwork) -> None:
    clockwork.deploy(flow())
    clockwork.app.flows.delete("data", "nightly")
    clockwork.turn(after=6000)
    assert clockwork.executions("nightly") == []
    assert clockwork.app.triggers.list() == []


def test_a_trigger_is_fired_by_hand_whatever_its_when_says(clockwork: Clockwork) -> None:
    clockwork.deploy(flow(more=", when: false"))
    date = datetime(2026, 3, 1, 2, tzinfo=UTC)
    clockwork.app.triggers.fire("data", "nightly", "each", date=date, author="ann")
    row = clockwork.ended("nightly", 1)[0]
    assert (row["inputs"], row["author"], row["trigger"]["date"]) == ({"day": "2026-03-01"}, "ann", date.isoformat())


@pytest.mark.parametrize(
    ("change", "started"),
    [({"more": ", disabled: true"}, 0), ({"every": "1m"}, 10)],
    ids=["disabled", "more often"],
)
def test_a_flow_that_is_deployed_while_its_schedule_is_looked_at_has_the_schedule_that_was_deployed(
    clockwork: Clockwork, change: dict[str, str], started: int
) -> None:
    clockwork.deploy(flow(every="1d", more=", on_missed: all"))
    clockwork.turn()
    clockwork.now += 86_400
    clockwork.before_the_next_write(lambda: clockwork.deploy(flow(**change)))
    clockwork.turn()
    for _ in range(10):
        clockwork.turn(after=60)
    assert len(clockwork.executions("nightly")) == 1 + started
    assert clockwork.trigger("nightly", "each")["disabled"] is (started == 0)
