"""Who is told of what: by namespace, flow, label, state and affair; by rules of the settings and of flows."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from rota import SecretBackend
from rota.builtin.secrets import Env
from rota.conductor.secret_leases import SecretLeases
from rota.errors import SecretError
from rota.store import conditions
from tests.core.alerts.conftest import Open
from tests.core.alerts.office import SINKS, Office


def told(office: Office) -> dict[str, list[str]]:
    return {sink: office.titles(sink) for sink in ("chat", "mail") if office.titles(sink)}


@pytest.mark.parametrize(
    ("rule", "namespace", "flow", "labels", "heard"),
    [
        ("namespaces: [bank]", "bank", "backup", {}, True),
        ("namespaces: [bank]", "bank.cards", "backup", {}, True),
        ("namespaces: ['bank.*']", "bank.cards", "backup", {}, True),
        ("namespaces: [bank]", "banks", "backup", {}, False),
        ("namespaces: [bank.cards]", "bank", "backup", {}, False),
        ("namespaces: [a, bank]", "bank", "backup", {}, True),
        ("flows: [backup]", "bank", "backup", {}, True),
        ("flows: ['back*']", "bank", "backup", {}, True),
        ("flows: [billing]", "bank", "backup", {}, False),
        ("labels: {team: data}", "bank", "backup", {"team": "data", "env": "prod"}, True),
        ("labels: {team: data}", "bank", "backup", {"team": "cards"}, False),
        ("labels: {team: data}", "bank", "backup", {}, False),
        ("states: [cancelled]", "bank", "backup", {}, False),
        ("about: [execution]", "bank", "backup", {}, True),
        ("about: [disk, sla]", "bank", "backup", {}, False),
        ("disabled: true", "bank", "backup", {}, False),
        ("severity: critical", "bank", "backup", {}, True),
    ],
)
def test_a_rule_is_for_what_its_keys_say(
    office: Open, rule: str, namespace: str, flow: str, labels: dict[str, str], heard: bool
) -> None:
    desk = office(f"{SINKS}alerts: [{{id: ops, to: [chat], {rule}}}]")
    desk.ends(flow=flow, namespace=namespace, labels=labels or None)
    desk.settle(30)
    assert desk.titles() == ([f"{namespace}/{flow} failed"] if heard else [])
    if "severity" in rule:
        assert desk.got()[0].severity == "critical"


def test_each_rule_tells_its_own_sinks(office: Open) -> None:
    rules = "alerts: [{id: a, to: [chat, mail]}, {id: b, to: [mail], flows: [billing]}, {id: c, to: [mail]}]"
    desk = office(SINKS + rules)
    desk.ends()
    desk.settle(30)
    assert told(desk) == {"chat": ["bank/backup failed"], "mail": ["bank/backup failed"] * 2}


def test_a_flow_has_rules_of_its_own(any_office: Open) -> None:
    office = any_office(SINKS)
    revision = office.deploy(more="alerts: [{id: team, to: [mail], states: [failed, cancelled], group: 5s}]\n")
    office.ends(revision_id=revision)
    office.ends(flow="other")
    office.settle(5)
    assert told(office) == {"mail": ["bank/backup failed"]}
    assert office.incidents()[0]["rule"] == "bank/backup:team"


def test_the_rules_of_the_revision_that_ran_count(office: Open) -> None:
    desk = office(SINKS)
    first = desk.deploy(more="alerts: [{id: team, to: [mail], group: 0s}]\n")
    second = desk.deploy(more="alerts: [{id: team, to: [chat], group: 0s}]\n")
    third = desk.deploy(more="description: tells nobody\n")
    desk.ends(revision_id=third)
    desk.ends(revision_id=first, flow="backup")
    desk.settle()
    assert told(desk) == {"mail": ["bank/backup failed"]}
    desk.ends("success", revision_id=third)
    desk.settle()
    assert told(desk) == {"mail": ["bank/backup failed", "bank/backup is well again"]}
    desk.ends(revision_id=second)
    desk.settle()
    assert told(desk)["chat"] == ["bank/backup failed"]


def test_a_flow_inside_of_another_is_told_by_its_own_rules(office: Open) -> None:
    desk = office(SINKS + "alerts: [{id: ops, to: [chat]}]")
    revision = desk.deploy("inner", more="alerts: [{id: team, to: [mail]}]\n")
    desk.ends(flow="inner", root_id="outer", revision_id=revision)
    desk.settle(30)
    assert told(desk) == {"mail": ["bank/inner failed"]}


def test_a_revision_that_is_gone_or_cannot_be_read_tells_nobody(office: Open) -> None:
    desk = office(SINKS)
    desk.ends(revision_id=None)
    broken = desk.deploy("broken", more="alerts: [{id: UPPER, to: [mail]}]\n")
    desk.ends(flow="broken", revision_id=broken)
    desk.settle(60)
    assert told(desk) == {}


def test_who_asks_about_secrets_alone_is_told_of_them_alone(office: Open) -> None:
    desk = office(SINKS + "alerts: [{id: vault, to: [chat], about: [secret]}, {id: all, to: [mail]}]")
    problem = {"type": "SecretError", "message": "there is no secret `db#password`", "task": "dump"}
    desk.ends(problem=problem)
    desk.ends(flow="billing")
    desk.settle(30)
    assert told(desk)["chat"] == ["a secret for bank/backup cannot be had"]
    assert "error: dump: there is no secret `db#password`" in desk.got()[0].text
    assert desk.titles("mail") == ["2 flows failed: bank/backup, bank/billing"]
    desk.ends("success")
    desk.settle(30)
    assert desk.titles()[1:] == ["well again: a secret for bank/backup cannot be had"]


def test_a_condition_is_told_until_it_is_cleared(any_office: Open) -> None:
    office = any_office()
    for _ in range(3):
        with office.store.write() as conn:
            conditions.raise_(conn, "server", "host-1", "host-1 is slow\nits clock is off", at=office.now)
        office.settle(60)
    (alert,) = office.got()
    assert (alert.title, alert.severity, alert.namespace, alert.flow) == ("host-1 is slow", "error", "", "")
    assert "error: its clock is off" in alert.text
    assert "look: rota doctor" in alert.text
    with office.store.write() as conn:
        assert conditions.clear(conn, "server", "host-1", at=office.now)
        assert not conditions.clear(conn, "server", "host-1", at=office.now)
    office.settle(60)
    assert office.titles()[1:] == ["well again: host-1 is slow"]
    with office.store.write() as conn:
        conditions.raise_(conn, "server", "host-1", "host-1 is slow again", at=office.now)
    office.settle(60)
    assert office.titles()[2:] == ["host-1 is slow again"]


def test_what_has_happened_once_is_told_once_and_counted_for_a_while(any_office: Open) -> None:
    office = any_office()
    for _ in range(5):
        with office.store.write() as conn:
            conditions.raise_(conn, "server", "a", "server a died", at=office.now, momentary=True)
        office.pass_time(60)
    assert office.titles() == ["server a died"]
    office.pass_time(700)
    (incident,) = office.incidents()
    assert (incident["count"], incident["closed_at"] is not None) == (5, True)
    with office.store.write() as conn:
        conditions.raise_(conn, "server", "a", "server a died", at=office.now, momentary=True)
    office.pass_time(60)
    assert office.titles() == ["server a died"] * 2


def test_a_condition_of_a_flow_is_told_by_the_rules_for_it(office: Open) -> None:
    rules = "alerts: [{id: cards, to: [chat], namespaces: [cards]}, {id: bank, to: [mail], namespaces: [bank]}]"
    desk = office(SINKS + rules)
    desk.deploy(more="alerts: [{id: team, to: [chat], about: [trigger]}]\n")
    with desk.store.write() as conn:
        conditions.raise_(conn, "trigger", "x", "trigger x fails", at=desk.now, namespace="bank", flow="backup")
        conditions.raise_(conn, "disk", "host:/", "the disk fills", at=desk.now)
    desk.settle(60)
    assert told(desk) == {"mail": ["trigger x fails"], "chat": ["trigger x fails"]}


def test_a_lease_that_is_not_kept_is_told_of(office: Open) -> None:
    desk = office()
    desk.now = time.time()

    def broken(row: dict[str, Any], backend: SecretBackend) -> None:
        raise SecretError("`vault` is sealed")

    conductor: Any = SimpleNamespace(submit=desk.submit, resources=SimpleNamespace(secret_backends={"env": Env()}))
    SecretLeases(conductor)._each([{"path": "db/reader", "backend": "env"}], broken)
    desk.settle(60)
    (alert,) = desk.got()
    assert alert.title == "the lease of secret `db/reader` is not kept"
    assert "error: `vault` is sealed" in alert.text
