"""Schedules that did not start, triggers that keep failing, executions that no server takes."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from rota.alerts.secret_watch import SecretWatch
from rota.alerts.trigger_watch import LATE, TriggerWatch
from rota.store import executions, tables, timers, triggers
from tests.core.alerts.conftest import Open
from tests.core.alerts.office import OPS, Office

SCHEDULE = 'triggers: [{id: nightly, type: schedule, cron: "0 2 * * *"}]\n'


def watch(office: Office) -> list[Any]:
    return [TriggerWatch(office.store)]


def stands(office: Office, **columns: Any) -> None:
    """Have the trigger `nightly` of the flow stand so."""
    given = {"type": "schedule", **columns}
    with office.store.write() as conn:
        triggers.save(conn, "bank", "backup", "nightly", updated_at=office.now, **given)


def test_a_schedule_that_did_not_start_is_told_until_it_does(any_office: Open) -> None:
    office = any_office(OPS, watches=watch)
    office.deploy(more=SCHEDULE)
    stands(office, next_at=office.now + 600)
    office.pass_time(600 + LATE - 30, step=30)
    assert office.titles() == []
    office.pass_time(120, step=20)
    (alert,) = office.got()
    assert alert.title == "schedule `nightly` of bank/backup did not start"
    assert (alert.severity, alert.state, alert.flow) == ("error", "schedule", "backup")
    assert "since: 2026-01-01 00:10:00 UTC" in alert.text
    assert "look: rota triggers show bank/backup nightly" in alert.text
    office.pass_time(3600, step=300)
    assert len(office.got()) == 1
    stands(office, next_at=office.now + 86400)
    office.pass_time(120, step=20)
    assert office.titles()[1:] == ["well again: schedule `nightly` of bank/backup did not start"]


def test_a_trigger_that_keeps_failing_is_told_with_its_last_error(any_office: Open) -> None:
    office = any_office(OPS, watches=watch)
    office.deploy(more=SCHEDULE)
    stands(office, type="mongo.changed", failures=2, last_error="connection refused")
    office.pass_time(120, step=20)
    assert office.titles() == []
    stands(office, type="mongo.changed", failures=3, last_error="connection refused\nmore")
    office.pass_time(120, step=20)
    (alert,) = office.got()
    assert alert.title == "trigger `nightly` of bank/backup keeps failing"
    assert "error: connection refused" in alert.text
    stands(office, type="mongo.changed", failures=0, last_error=None)
    office.pass_time(120, step=20)
    assert office.titles()[1:] == ["well again: trigger `nightly` of bank/backup keeps failing"]


def test_a_disabled_trigger_or_flow_is_told_to_nobody(office: Open) -> None:
    desk = office(OPS, watches=watch)
    stands(desk, next_at=desk.now - 86400, failures=10)
    desk.pass_time(120, step=20)
    assert desk.titles() == []
    desk.deploy(more=SCHEDULE)
    stands(desk, next_at=desk.now - 86400, failures=10, enabled=False)
    desk.pass_time(120, step=20)
    assert desk.titles() == []


def test_an_execution_that_no_server_takes_is_told_until_one_does(any_office: Open) -> None:
    office = any_office(OPS, watches=watch)
    with office.store.write() as conn:
        row = {"id": "e1", "namespace": "bank", "flow": "backup", "state": "created", "created_at": office.now}
        executions.insert(conn, row)
        executions.insert(conn, {**row, "id": "e2", "created_at": office.now + 1})
    office.pass_time(LATE + 120, step=20)
    (alert,) = office.got()
    assert alert.title == "bank/backup was to start, and no server takes it"
    assert alert.execution_id == "e1"
    with office.store.write() as conn:
        for name in ("e1", "e2"):
            executions.update(conn, name, owner="somebody", started_at=office.now)
    office.pass_time(120, step=20)
    assert office.titles()[1:] == ["well again: bank/backup was to start, and no server takes it"]


def test_the_rules_of_the_flow_tell_of_its_triggers(office: Open) -> None:
    desk = office("sinks: [{id: chat, type: record}]", watches=watch)
    desk.deploy(more=SCHEDULE + "alerts: [{id: team, to: [chat], about: [trigger], group: 0s}]\n")
    stands(desk, failures=5, next_at=desk.now - 3600)
    desk.pass_time(60, step=20)
    assert desk.titles() == ["trigger `nightly` of bank/backup keeps failing"]


def test_a_task_that_waits_for_a_secret_is_told_until_it_has_it(any_office: Open) -> None:
    office = any_office(OPS, watches=lambda one: [SecretWatch(one.store)])
    one = office.ends("running")
    node = {"execution_id": one, "path": "", "node": "dump"}
    problem = {"type": "SecretError", "message": "`vault` cannot be reached", "task": "dump"}
    run = {**node, "type": "shell", "state": "retrying", "attempt": 2, "round": 0, "phase": "", "problem": problem}

    def save(state: str) -> None:
        with office.store.write() as conn:
            conn.execute(sa.delete(tables.task_runs))
            conn.execute(sa.insert(tables.task_runs).values({**run, "state": state}))

    save("retrying")
    with office.store.write() as conn:
        timers.save(conn, [{**node, "name": "retry", "due_at": office.now + 60}])
    office.pass_time(60, step=20)
    (alert,) = office.got()
    assert (alert.title, alert.state, alert.execution_id) == ("bank/backup waits for a secret", "secret", one)
    assert "error: dump: `vault` cannot be reached" in alert.text
    save("running")
    office.pass_time(60, step=20)
    assert office.titles()[1:] == ["well again: bank/backup waits for a secret"]
