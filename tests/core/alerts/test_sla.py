"""What did not happen: executions that run too long, and flows that are not done in time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from rota.alerts.flow_book import FlowBook
from rota.alerts.sla import SlaWatch, last_deadline
from rota.flows.models import Flow
from rota.store import Connection, executions
from tests.core.alerts.conftest import Open
from tests.core.alerts.office import OPS, Office

HOUR = 3600.0
SCHEDULED = 'triggers: [{id: nightly, type: schedule, cron: "0 2 * * *"}]\n'


def nightly(namespace: str, flow: Flow, after: float, until: float) -> float | None:
    """Two o'clock UTC, every day: the last one in the span."""
    last = until // 86400 * 86400 + 2 * HOUR
    last = last if last <= until else last - 86400
    return last if after < last else None


def watch(office: Office) -> list[Any]:
    return [SlaWatch(office.store, FlowBook(office.store), "UTC", nightly)]


@pytest.mark.parametrize(
    ("done_by", "zone", "now", "at", "before"),
    [
        ("07:00", "UTC", "2026-01-02T07:00", "2026-01-02T07:00", "2026-01-01T07:00"),
        ("07:00", "UTC", "2026-01-02T06:59", "2026-01-01T07:00", "2025-12-31T07:00"),
        ("07:00", "Europe/Paris", "2026-01-02T06:00", "2026-01-02T06:00", "2026-01-01T06:00"),
        ("07:00", "Europe/Paris", "2026-03-29T05:30", "2026-03-29T05:00", "2026-03-28T06:00"),
        ("02:30", "Europe/Paris", "2026-03-29T12:00", "2026-03-29T01:30", "2026-03-28T01:30"),
        ("02:30", "Europe/Paris", "2026-10-25T12:00", "2026-10-25T00:30", "2026-10-24T00:30"),
        ("00:00", "Asia/Kolkata", "2026-01-01T18:30", "2026-01-01T18:30", "2025-12-31T18:30"),
    ],
)
def test_the_last_deadline_is_found_in_every_timezone(done_by: str, zone: str, now: str, at: str, before: str) -> None:
    def stamp(text: str) -> float:
        return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()

    found = last_deadline(done_by, ZoneInfo(zone), stamp(now))
    assert (found.at, found.before) == (stamp(at), stamp(before))


def test_an_execution_that_runs_too_long_is_told_until_it_ends(any_office: Open) -> None:
    office = any_office(OPS, watches=watch)
    office.deploy(more="sla: {max_duration: 2h}\n")
    one = office.ends("running")
    office.pass_time(2 * HOUR - 60, step=300)
    assert office.titles() == []
    office.pass_time(180, step=20)
    (alert,) = office.got()
    assert (alert.title, alert.severity, alert.state) == ("bank/backup runs longer than 2h", "warning", "sla")
    assert f"look: rota executions show {one}" in alert.text
    assert "since: 2026-01-01 02:00:00 UTC" in alert.text
    office.pass_time(6 * HOUR, step=600)
    assert len(office.got()) == 1
    with office.store.write() as conn:
        executions.update(conn, one, state="success", ended_at=office.now)
    office.pass_time(120, step=20)
    assert office.titles()[1:] == ["well again: bank/backup runs longer than 2h"]


def test_a_flow_that_is_not_done_in_time_is_told_until_it_is(any_office: Open) -> None:
    office = any_office(OPS, watches=watch)
    office.deploy(more="sla: {done_by: '07:00'}\n" + SCHEDULED)
    office.pass_time(7 * HOUR - 60, step=600)
    assert office.titles() == []
    office.pass_time(120, step=20)
    assert office.titles() == ["bank/backup was not done by 07:00"]
    office.pass_time(HOUR, step=600)
    office.ends("success", created_at=office.now - HOUR)
    office.pass_time(120, step=20)
    assert office.titles()[1:] == ["well again: bank/backup was not done by 07:00"]


def test_what_was_done_late_yesterday_does_not_count_for_today(office: Open) -> None:
    desk = office(OPS, watches=watch)
    desk.deploy(more="sla: {done_by: '07:00'}\n" + SCHEDULED)
    desk.pass_time(9 * HOUR, step=1800)
    desk.ends("success")
    desk.pass_time(21 * HOUR, step=1800)
    assert desk.titles() == ["bank/backup was not done by 07:00", "well again: bank/backup was not done by 07:00"]
    desk.pass_time(2 * HOUR, step=1800)
    assert desk.titles()[2:] == ["bank/backup was not done by 07:00"]


def test_a_flow_that_is_done_in_time_is_told_to_nobody(office: Open) -> None:
    desk = office(OPS, watches=watch)
    desk.deploy(more="sla: {done_by: '07:00'}\n" + SCHEDULED)
    for _ in range(3):
        desk.pass_time(5 * HOUR, step=1800)
        desk.ends("warning", created_at=desk.now - 2 * HOUR)
        desk.pass_time(19 * HOUR, step=1800)
    assert desk.titles() == []


def test_a_failed_execution_is_not_done(office: Open) -> None:
    desk = office("sinks: [{id: chat, type: record}]\nalerts: [{id: ops, to: [chat], about: [sla]}]", watches=watch)
    desk.deploy(more="sla: {done_by: '07:00'}\n" + SCHEDULED)
    desk.pass_time(5 * HOUR, step=1800)
    desk.ends("failed", created_at=desk.now - HOUR)
    desk.pass_time(3 * HOUR, step=600)
    assert desk.titles() == ["bank/backup was not done by 07:00"]


def test_on_a_day_without_a_date_nothing_is_expected(office: Open) -> None:
    def never(*_: Any) -> None:
        return None

    desk = office(OPS, watches=lambda one: [SlaWatch(one.store, FlowBook(one.store), "UTC", never)])
    desk.deploy(more="sla: {done_by: '07:00'}\n" + SCHEDULED)
    desk.pass_time(48 * HOUR, step=3600)
    assert desk.titles() == []


def test_without_a_schedule_it_is_expected_every_day_once_it_is_a_day_old(office: Open) -> None:
    desk = office(OPS, watches=watch)
    desk.deploy(more="sla: {done_by: '07:00'}\n")
    desk.pass_time(30 * HOUR, step=3600)
    assert desk.titles() == []
    desk.pass_time(3 * HOUR, step=600)
    assert desk.titles() == ["bank/backup was not done by 07:00"]


def test_a_flow_that_is_deleted_promises_nothing_any_more(office: Open) -> None:
    from rota.store import flows

    desk = office(OPS, watches=watch)
    desk.deploy(more="sla: {done_by: '07:00'}\n" + SCHEDULED)
    desk.pass_time(8 * HOUR, step=1800)
    assert len(desk.got()) == 1

    def delete(conn: Connection) -> bool:
        return flows.delete(conn, "bank", "backup", at=desk.now)

    assert desk.submit(delete)
    desk.pass_time(120, step=20)
    assert desk.titles()[1:] == ["well again: bank/backup was not done by 07:00"]


def test_a_flow_that_nobody_checked_does_not_silence_the_others(office: Open, caplog: pytest.LogCaptureFixture) -> None:
    desk = office(OPS, watches=watch)
    desk.deploy("wrong", more="sla: {done_by: '25:99'}\n")
    desk.deploy("lost", more="sla: {done_by: '07:00'}\ntimezone: Mars/Olympus\n")
    desk.deploy(more="sla: {max_duration: 10m}\n")
    desk.ends("running")
    desk.pass_time(700, step=20)
    assert desk.titles() == ["bank/backup runs longer than 10m"]
    assert caplog.text.count("the `sla` of bank/wrong cannot be looked at") == 1
    assert caplog.text.count("the `sla` of bank/lost cannot be looked at") == 1


def test_a_look_that_fails_silences_nothing_else(office: Open, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        kinds: tuple[str, ...] = ("sla",)

        def look(self, now: float) -> list[Any]:
            raise RuntimeError("broken")

    desk = office(OPS, watches=lambda _: [Broken()])
    desk.ends()
    desk.pass_time(60)
    assert desk.titles() == ["bank/backup failed"]
    assert "looking for what did not happen failed" in caplog.text


def test_the_rules_of_the_flow_itself_tell_of_its_sla(office: Open) -> None:
    desk = office("sinks: [{id: chat, type: record}]", watches=watch)
    desk.deploy(more="sla: {max_duration: 10m}\nalerts: [{id: team, to: [chat], about: [sla], group: 0s}]\n")
    desk.ends("running")
    desk.pass_time(660, step=20)
    assert desk.titles() == ["bank/backup runs longer than 10m"]
