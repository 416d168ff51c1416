"""Ten thousand failures become a handful of messages that a person can read."""

from __future__ import annotations

import pytest

from tests.core.alerts.conftest import Open
from tests.core.alerts.office import OPS, SINKS

MANY = [f"flow-{number:05}" for number in range(10_000)]


def test_ten_thousand_failures_of_one_flow_are_one_message(office: Open) -> None:
    desk = office(OPS)
    desk.all_end(["backup"] * 10_000)
    desk.settle()
    desk.settle(30)
    (alert,) = desk.got()
    assert alert.title == "bank/backup failed, 10000 times"
    (incident,) = desk.incidents()
    assert incident["count"] == 10_000


@pytest.mark.timeout(300)
def test_ten_thousand_flows_that_fail_are_one_message(any_office: Open) -> None:
    desk = any_office(OPS)
    desk.all_end(MANY)
    desk.settle()
    desk.settle(30)
    (alert,) = desk.got()
    assert alert.title == "10000 flows failed: bank/flow-00000, bank/flow-00001, bank/flow-00002, …"
    lines = alert.text.splitlines()
    assert len(lines) == 22
    assert lines[0] == "00:00:00 bank/flow-00000 failed: dump: exit code 4"
    assert lines[-2:] == ["and 9,980 more", "look: rota alerts list"]
    desk.all_end(MANY, "success")
    desk.settle(60)
    desk.pass_time(600, step=60)
    assert desk.titles()[1:] == ["10000 well again: bank/flow-00000, bank/flow-00001, bank/flow-00002, …"]


def test_a_storm_that_lasts_is_told_ever_less_often(office: Open) -> None:
    desk = office(OPS)
    for minute in range(30):
        desk.all_end([f"flow-{minute:02}-{number:03}" for number in range(100)])
        desk.pass_time(60, step=10)
    desk.pass_time(600, step=10)
    assert 2 < len(desk.got()) < 10
    assert sum(int(title.split()[0]) for title in desk.titles()) == 3_000


def test_flows_that_each_tell_by_themselves_fill_no_sink(office: Open) -> None:
    desk = office(SINKS)
    names = [f"flow-{number:03}" for number in range(300)]
    for name in names:
        revision = desk.deploy(name, more="alerts: [{id: team, to: [chat], group: 0s}]\n")
        desk.ends(flow=name, revision_id=revision)
    desk.settle()
    desk.pass_time(600, step=20)
    assert len(desk.got()) <= 3
    assert desk.titles()[0].startswith("300 alerts: bank/flow-000 failed; bank/flow-001 failed")
    assert "and 280 more" in desk.got()[0].text
