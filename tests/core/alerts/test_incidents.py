"""One message when a flow fails, none while it goes on failing, one when it is well again."""

from __future__ import annotations

import pytest

from tests.core.alerts.conftest import Open
from tests.core.alerts.office import OPS, SINKS


def test_a_failure_is_told_once_the_window_has_passed(any_office: Open) -> None:
    office = any_office()
    one = office.ends()
    office.settle()
    assert office.titles() == []
    office.settle(30)
    (alert,) = office.got()
    assert (alert.title, alert.severity, alert.state) == ("bank/backup failed", "error", "failed")
    assert (alert.namespace, alert.flow, alert.execution_id) == ("bank", "backup", one)
    assert alert.text.splitlines() == [
        "what: bank/backup failed",
        "where: flow bank/backup",
        "since: 2026-01-01 00:00:00 UTC",
        "error: dump: exit code 4",
        f"look: rota executions show {one}",
        f"restart: rota executions restart {one}",
    ]


def test_a_flow_that_fails_again_is_only_counted(any_office: Open) -> None:
    office = any_office()
    office.ends()
    office.settle(30)
    for _ in range(5):
        office.settle(600)
        office.ends()
    office.settle(600)
    assert office.titles() == ["bank/backup failed"]
    (incident,) = office.incidents()
    assert (incident["count"], incident["closed_at"]) == (6, None)


@pytest.mark.parametrize("state", ["success", "warning"])
def test_a_flow_that_ends_well_has_recovered(any_office: Open, state: str) -> None:
    office = any_office()
    office.ends()
    office.settle(30)
    office.settle(570)
    office.ends(state)
    office.settle(30)
    assert office.titles() == ["bank/backup failed", "bank/backup is well again"]
    notice = office.got()[1]
    assert (notice.state, notice.severity) == ("recovered", "info")
    assert "since: 2026-01-01 00:00:00 UTC, until 2026-01-01 00:10:00 UTC" in notice.text
    assert "restart" not in notice.text
    assert office.got()[0].id != notice.id


def test_after_a_recovery_a_failure_is_told_anew(office: Open) -> None:
    desk = office()
    for state in ("failed", "success", "failed"):
        desk.ends(state)
        desk.settle(60)
    assert desk.titles() == ["bank/backup failed", "bank/backup is well again", "bank/backup failed"]


def test_a_rule_without_recovery_says_nothing_of_it(office: Open) -> None:
    desk = office(SINKS + "alerts: [{id: ops, to: [chat], recovery: false}]")
    desk.ends()
    desk.settle(60)
    desk.ends("success")
    desk.settle(60)
    assert desk.titles() == ["bank/backup failed"]
    assert desk.incidents()[0]["closed_at"] is not None


def test_what_is_over_before_anybody_was_told_is_told_in_one_message(office: Open) -> None:
    desk = office()
    desk.ends()
    desk.settle(10)
    desk.ends("success")
    desk.settle(30)
    assert desk.titles() == ["bank/backup failed, and is well again"]
    desk.settle(600)
    assert len(desk.got()) == 1


def test_a_restart_that_succeeds_is_a_recovery(office: Open) -> None:
    desk = office()
    one = desk.ends()
    desk.settle(30)
    desk.changes([one], "running", run=2)
    desk.settle(30)
    assert len(desk.got()) == 1
    desk.changes([one], "success", run=2)
    desk.settle(30)
    assert desk.titles()[1:] == ["bank/backup is well again"]


def test_a_cancelled_execution_is_no_recovery(office: Open) -> None:
    desk = office()
    desk.ends()
    desk.settle(30)
    desk.ends("cancelled")
    desk.settle(60)
    assert len(desk.got()) == 1
    assert desk.incidents()[0]["closed_at"] is None


def test_executions_that_count_apart_fail_apart(office: Open) -> None:
    desk = office()
    desk.ends(place_key="prod")
    desk.settle(30)
    desk.ends("success", place_key="staging")
    desk.settle(30)
    assert desk.titles() == ["bank/backup failed"]
    desk.ends("success", place_key="prod")
    desk.settle(30)
    assert desk.titles()[1:] == ["bank/backup is well again"]


def test_an_execution_that_waits_for_a_person_is_told_until_it_goes_on(office: Open) -> None:
    desk = office(SINKS + "alerts: [{id: ops, to: [chat], states: [paused]}]")
    one = desk.ends("paused")
    desk.settle(30)
    (alert,) = desk.got()
    assert (alert.title, alert.severity) == ("bank/backup waits for a person", "info")
    assert f"resume: rota executions resume {one}" in alert.text
    desk.changes([one], "running")
    desk.settle(30)
    assert desk.titles()[1:] == ["bank/backup goes on"]


def test_a_rule_about_success_tells_of_each_execution(office: Open) -> None:
    desk = office(SINKS + "alerts: [{id: ops, to: [chat], states: [success]}]")
    for _ in range(3):
        desk.ends("success")
        desk.settle(60)
    assert desk.titles() == ["bank/backup succeeded"] * 3
    assert {alert.severity for alert in desk.got()} == {"info"}


def test_a_warning_is_told_where_the_rule_asks_for_it(office: Open) -> None:
    desk = office(SINKS + "alerts: [{id: a, to: [chat], states: [failed, warning]}, {id: b, to: [mail]}]")
    desk.ends("warning")
    desk.settle(30)
    assert (desk.titles("chat"), desk.titles("mail")) == (["bank/backup ended with warnings"], [])
    assert desk.got()[0].severity == "warning"
    desk.ends("failed")
    desk.settle(30)
    assert (len(desk.got("chat")), len(desk.got("mail"))) == (1, 1)
    desk.ends("warning")
    desk.settle(30)
    assert desk.titles("mail")[1:] == ["bank/backup is well again"]
    assert len(desk.got("chat")) == 1


def test_what_a_person_runs_by_hand_is_told_to_nobody(office: Open) -> None:
    desk = office()
    desk.ends(mode="local")
    desk.settle(60)
    assert desk.incidents() == []


def test_a_flow_inside_of_another_is_told_by_the_other(office: Open) -> None:
    desk = office()
    desk.ends(flow="outer")
    desk.ends(flow="inner", root_id="somebody-else")
    desk.settle(60)
    assert desk.titles() == ["bank/outer failed"]


def test_an_evaluator_that_comes_later_goes_on_where_the_first_one_was(any_office: Open) -> None:
    office = any_office()
    office.ends()
    office.settle(5)
    office.evaluator = office.another()
    office.settle(25)
    assert office.titles() == ["bank/backup failed"]
    office.evaluator = office.another()
    office.ends()
    office.settle(60)
    office.evaluator = office.another()
    office.ends("success")
    office.settle(60)
    assert office.titles() == ["bank/backup failed", "bank/backup is well again"]


def test_who_does_not_have_the_role_tells_nobody(office: Open) -> None:
    desk = office()
    desk.holds = False
    desk.ends()
    desk.settle(60)
    assert (desk.titles(), desk.incidents()) == ([], [])
    desk.holds = True
    desk.settle(0)
    desk.settle(60)
    assert desk.titles() == ["bank/backup failed"]


def test_what_the_store_refused_is_taken_in_again_and_told_once(office: Open) -> None:
    desk = office()
    desk.ends()
    desk.refuse = OSError("no space is left")
    with pytest.raises(OSError, match="no space"):
        desk.settle()
    desk.settle(60)
    desk.settle(60)
    assert desk.titles() == ["bank/backup failed"]
    assert [one["count"] for one in desk.incidents()] == [1]


def test_a_new_evaluator_does_not_tell_of_what_is_long_over(office: Open) -> None:
    desk = office()
    desk.ends()
    desk.now += 7200
    desk.ends(flow="other")
    desk.settle()
    desk.settle(30)
    assert desk.titles() == ["bank/other failed"]


def test_nothing_is_written_while_nothing_happens(office: Open) -> None:
    desk = office(OPS)
    desk.ends()
    desk.settle(60)
    written = desk.written
    desk.pass_time(600)
    assert (written > 0, desk.written) == (True, written)
