"""`rota purge` takes what people were told of along, once it is over and old."""

from __future__ import annotations

from rota.store import conditions, purge, silences
from tests.core.alerts.conftest import Open
from tests.core.alerts.office import Office, refuse


def purged(office: Office, before: float) -> None:
    purge.purge(office.store, before=before, delete_artifact=lambda _: None)


def test_what_is_over_goes_and_what_lasts_or_waits_stays(any_office: Open) -> None:
    office = any_office()
    office.ends(flow="over")
    office.ends(flow="lasts")
    with office.store.write() as conn:
        conditions.raise_(conn, "disk", "a", "the disk fills", at=office.now)
        conditions.raise_(conn, "disk", "b", "the disk fills", at=office.now)
        conditions.raise_(conn, "server", "c", "a server died", at=office.now, momentary=True)
        for seconds in (60, 10**9):
            silences.add(
                conn, starts_at=office.now, ends_at=office.now + seconds, flow="x", reason="", author="", at=office.now
            )
    office.settle(60)
    office.ends("success", flow="over")
    with office.store.write() as conn:
        conditions.clear(conn, "disk", "a", at=office.now)
    office.pass_time(700, step=10)
    office.behave("chat", refuse())
    office.ends(flow="waits")
    office.settle(60)
    office.now += 86400
    purged(office, office.now)
    assert [row["alert"]["title"] for row in office.deliveries()] == ["bank/waits failed"]
    assert sorted(row["flow"] or row["key"] for row in office.incidents()) == ["b", "lasts", "waits"]
    with office.store.read() as conn:
        assert [row["subject"] for row in conditions.holding(conn)] == ["b"]
        assert len(silences.page(conn)) == 1


def test_what_is_young_stays(any_office: Open) -> None:
    office = any_office()
    office.ends()
    office.settle(60)
    office.ends("success")
    office.settle(60)
    purged(office, office.now - 600)
    assert (len(office.incidents()), len(office.deliveries())) == (1, 2)
