"""A commit whose outcome is in doubt is looked for before it is repeated; one whose lease is lost writes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from rota.conductor.ownership import LeaseLost, Ownership, StoreWentBack
from rota.errors import StoreBusy, StoreError
from rota.store import Connection, Store, conductors, kv, open_store
from rota.store.migrate import migrate


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    url = f"sqlite:///{tmp_path}/rota.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
        migrate(url)
    opened = open_store(url)
    yield opened
    opened.close()


@pytest.fixture
def ownership(store: Store) -> Iterator[Ownership]:
    made = Ownership(store, "me", 60.0)
    made.register()
    yield made
    made.leave()


def _count(conn: Connection) -> None:
    kv.put(conn, "n", "count", (kv.get(conn, "n", "count", 0, at=1.0) or 0) + 1, at=1.0)


def _counted(store: Store) -> Any:
    with store.read() as conn:
        return kv.get(conn, "n", "count", 0, at=1.0)


class Doubt:
    """Has commits end without an answer: `happened` says, one after the other, whether they took place.

    The error owns to that, unless it is not `honest`.
    """

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self.happened: list[bool] = []
        self.honest = True
        self.commits = 0
        self._commit = store._commit
        monkeypatch.setattr(store, "_commit", self.commit)

    def commit(self, conn: sa.Connection, transaction: sa.RootTransaction) -> None:
        self.commits += 1
        if not self.happened:
            self._commit(conn, transaction)
            return
        if self.happened.pop(0):
            self._commit(conn, transaction)
        else:
            transaction.rollback()
        raise StoreBusy("the connection broke", doubtful=self.honest)


@pytest.fixture
def doubt(store: Store, ownership: Ownership, monkeypatch: pytest.MonkeyPatch) -> Doubt:
    return Doubt(store, monkeypatch)


@pytest.mark.parametrize("happened", [[True], [False], [False, True], [False, False], [False, False, True]])
def test_a_batch_in_doubt_is_written_exactly_once(
    store: Store, ownership: Ownership, doubt: Doubt, happened: list[bool]
) -> None:
    doubt.happened = list(happened)
    ownership.commit(_count)
    assert _counted(store) == 1
    ownership.commit(_count)
    assert _counted(store) == 2
    with store.read() as conn:
        assert conductors.standing(conn, "me") == (1, 2)


def test_a_commit_that_is_wrongly_said_to_have_failed_is_not_repeated(
    store: Store, ownership: Ownership, doubt: Doubt
) -> None:
    doubt.happened, doubt.honest = [True], False
    ownership.commit(_count)
    assert _counted(store) == 1


def test_what_another_has_taken_over_is_not_written(store: Store, ownership: Ownership) -> None:
    with store.write() as conn:
        conn.execute(sa.text("UPDATE conductors SET epoch = epoch + 1"))
    with pytest.raises(LeaseLost, match="another server has taken over"):
        ownership.commit(_count)
    assert _counted(store) == 0
    with pytest.raises(LeaseLost):
        ownership.renew()


def test_nothing_is_written_to_a_store_that_went_back(store: Store, ownership: Ownership) -> None:
    for _ in range(2):
        ownership.commit(_count)
    with store.write() as conn:  # as a replica stands that had not got the second
        conn.execute(sa.text("UPDATE conductors SET batch = 1"))
        kv.put(conn, "n", "count", 1, at=1.0)
    with pytest.raises(StoreWentBack, match="the database has lost what it had taken"):
        ownership.commit(_count)
    assert _counted(store) == 1


def test_a_batch_in_doubt_that_was_taken_over_meanwhile_is_lost(
    store: Store, ownership: Ownership, doubt: Doubt, monkeypatch: pytest.MonkeyPatch
) -> None:
    def adopted(error: StoreError, wait: float) -> float:
        with store.write() as conn:
            conn.execute(sa.text("UPDATE conductors SET epoch = epoch + 1"))
        return wait

    monkeypatch.setattr(ownership, "_bear", adopted)
    doubt.happened = [False]
    with pytest.raises(LeaseLost):
        ownership.commit(_count)
    assert _counted(store) == 0


def test_an_error_of_what_is_written_leaves_nothing_and_does_not_count(store: Store, ownership: Ownership) -> None:
    def wrong(conn: Connection) -> None:
        _count(conn)
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        ownership.commit(wrong)
    ownership.commit(_count)
    assert _counted(store) == 1
    with store.read() as conn:
        assert conductors.standing(conn, "me") == (1, 1)


def test_nobody_waits_for_a_store_once_the_conductor_closes(store: Store, ownership: Ownership, doubt: Doubt) -> None:
    ownership.closing.set()
    doubt.happened = [False]
    with pytest.raises(StoreBusy):
        ownership.commit(_count)
