"""A disk that fills up is told of before it is full."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from rota.alerts.disks import EVERY, Disks, usage_of
from rota.store import Store, conditions
from tests.core.alerts.conftest import Open

GIB = 1 << 30


def message_of(store: Store) -> str:
    with store.read() as conn:
        return " / ".join(row["message"] for row in conditions.holding(conn, "disk"))


def look(disks: Disks, store: Store, now: float) -> str:
    writes = disks.look(now)
    if writes:
        with store.write() as conn:
            for write in writes:
                write(conn)
    return message_of(store)


def test_a_disk_that_fills_is_a_condition_until_there_is_room_again(store: Store) -> None:
    free = {"/var": 100 * GIB}
    disks = Disks([Path("/var")], lambda path: (200 * GIB, free[str(path)]))
    assert look(disks, store, 0) == ""
    free["/var"] = 4 * GIB
    assert look(disks, store, EVERY / 2) == ""
    assert look(disks, store, EVERY).endswith(
        ":/var` fills up\n4,096 MiB of 200.0 GiB are free; make room, or run `rota purge`"
    )
    free["/var"] = 5 * GIB + 1
    assert look(disks, store, 2 * EVERY) != ""
    free["/var"] = 7 * GIB
    assert look(disks, store, 3 * EVERY) == ""


def test_a_small_disk_fills_later(store: Store) -> None:
    free = 900 << 20
    disks = Disks([Path("/small")], lambda _: (2 * GIB, free))
    assert look(disks, store, 0) == ""
    free = 90 << 20
    assert "fills up" in look(disks, store, EVERY)


def test_a_disk_that_cannot_be_asked_is_left_out(store: Store) -> None:
    def broken(path: Path) -> tuple[int, int]:
        raise PermissionError(path)

    assert look(Disks([Path("/x")], broken), store, 0) == ""


def test_the_disk_of_a_folder_that_is_not_there_yet_is_that_of_the_one_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []
    found = shutil.disk_usage(tmp_path)

    def usage(path: Path) -> object:
        asked.append(path)
        return found

    monkeypatch.setattr(shutil, "disk_usage", usage)
    assert usage_of(tmp_path / "a" / "b") == (found.total, found.free)
    assert asked == [tmp_path]


def test_a_disk_that_fills_is_told(office: Open) -> None:
    desk = office()
    disks = Disks([Path("/var")], lambda _: (200 * GIB, 1))
    assert "fills up" in look(disks, desk.store, desk.now)
    desk.settle(60)
    (alert,) = desk.got()
    assert alert.title.startswith("the disk of `")
    assert alert.severity == "critical"
    assert "look: rota doctor" in alert.text
