"""A silence: nobody is told of what fits it, until it ends."""

from __future__ import annotations

from typing import Any

import pytest

from rota.store import silences
from tests.core.alerts.conftest import Open
from tests.core.alerts.office import Office


def silence(office: Office, seconds: float = 3600, **keys: Any) -> int:
    now = office.now
    with office.store.write() as conn:
        return silences.add(conn, starts_at=now, ends_at=now + seconds, at=now, reason="patching", author="eva", **keys)


@pytest.mark.parametrize(
    ("keys", "quiet"),
    [
        ({}, True),
        ({"namespace": "bank"}, True),
        ({"namespace": "ban"}, False),
        ({"namespace": "bank.cards"}, False),
        ({"namespace": "bank", "flow": "backup"}, True),
        ({"flow": "billing"}, False),
        ({"rule": "ops"}, True),
        ({"rule": "other"}, False),
        ({"kind": "execution"}, True),
        ({"kind": "disk"}, False),
        ({"labels": {"team": "data"}}, True),
        ({"labels": {"team": "cards"}}, False),
    ],
)
def test_a_silence_is_for_what_its_keys_say(office: Open, keys: dict[str, Any], quiet: bool) -> None:
    desk = office()
    silence(desk, **keys)
    desk.ends(labels={"team": "data"})
    desk.pass_time(60)
    assert desk.titles() == ([] if quiet else ["bank/backup failed"])


def test_what_still_lasts_when_a_silence_ends_is_told_then(any_office: Open) -> None:
    office = any_office()
    silence(office, 600)
    office.ends()
    office.pass_time(590, step=30)
    assert office.titles() == []
    office.pass_time(60)
    assert office.titles() == ["bank/backup failed"]


def test_what_is_over_by_the_end_of_a_silence_is_told_to_nobody(office: Open) -> None:
    desk = office()
    silence(desk, 600)
    desk.ends()
    desk.pass_time(120)
    desk.ends("success")
    desk.pass_time(1200, step=30)
    assert desk.titles() == []
    (incident,) = desk.incidents()
    assert (incident["pending"], incident["closed_at"] is not None) == (None, True)


def test_a_recovery_within_a_silence_is_told_to_nobody(office: Open) -> None:
    desk = office()
    desk.ends()
    desk.pass_time(60)
    silence(desk, 600)
    desk.ends("success")
    desk.pass_time(1200, step=30)
    assert desk.titles() == ["bank/backup failed"]


def test_a_silence_that_a_person_ends_is_over_at_once(office: Open) -> None:
    desk = office()
    number = silence(desk)
    desk.ends()
    desk.pass_time(60)
    with desk.store.write() as conn:
        assert silences.end(conn, number, at=desk.now)
        assert not silences.end(conn, number, at=desk.now)
    desk.pass_time(30)
    assert desk.titles() == ["bank/backup failed"]


def test_a_silence_outlives_the_evaluator(office: Open) -> None:
    desk = office()
    silence(desk, 600)
    desk.ends()
    desk.pass_time(60)
    desk.evaluator = desk.another()
    desk.pass_time(500, step=20)
    assert desk.titles() == []
    desk.pass_time(120)
    assert desk.titles() == ["bank/backup failed"]


def test_silences_are_listed_and_forgotten(any_office: Open) -> None:
    office = any_office()
    first = silence(office, 60, flow="a", labels={"x": "y"})
    second = silence(office, 600, flow="b")
    with office.store.read() as conn:
        assert [row["id"] for row in silences.page(conn)] == [second, first]
        assert [row["id"] for row in silences.page(conn, ended_after=office.now + 100)] == [second]
        assert [row["id"] for row in silences.active(conn, office.now)] == [first, second]
    with office.store.write() as conn:
        assert silences.forget(conn, office.now + 100) == 1
    with office.store.read() as conn:
        assert [row["labels"] for row in silences.page(conn)] == [None]
