"""Conductors, their presence and epochs; commands and the outbox, through which others hear."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from rota.store import Store, commands, conductors, executions, open_store, outbox
from rota.store.presence import Presence, claim
from tests.core.store.rows import execution
from tests.core.store.test_engine import _environment

_CLAIM = """
import sys, pathlib
from rota.store.presence import claim
presence = claim(pathlib.Path(sys.argv[1]), "dead")
print(presence is not None, flush=True)
input()
"""


def _register(store: Store, name: str, ttl: float = 60.0) -> Presence | None:
    return conductors.register(store, name, host="h", pid=1, process_start=2.0, version="0.1", ttl=ttl)


def test_a_conductor_renews_and_checks_while_its_epoch_lasts(store: Store) -> None:
    presence = _register(store, "me")
    with store.write() as conn:
        assert conductors.renew(conn, "me", 1, 60) == conductors.Renewal(commands=0, unowned=False)
        assert conductors.check(conn, "me", 1, batch=1)
        assert conductors.check(conn, "me", 1, batch=2)
        assert conductors.standing(conn, "me") == (1, 2)
        assert not conductors.check(conn, "me", 2, batch=3)
        assert not conductors.check(conn, "me", 1, batch=4), "the batch before is not there"
        assert not conductors.check(conn, "me", 1, batch=2), "it is there already"
        assert conductors.renew(conn, "me", 2, 60) is None
        assert conductors.standing(conn, "me") == (1, 2)
        assert conductors.standing(conn, "nobody") is None
    if presence:
        presence.release()


def test_renewing_tells_what_waits(store: Store) -> None:
    _register(store, "me")
    mine, free = execution(1, owner="me"), execution(2)
    with store.write() as conn:
        executions.insert_many(conn, [mine, free])
        commands.add(conn, mine["id"], "cancel", at=1.0)
        commands.add(conn, free["id"], "cancel", at=1.0)
        assert conductors.renew(conn, "me", 1, 60) == conductors.Renewal(commands=1, unowned=True)


def test_adoption_raises_the_epoch_and_takes_what_is_alive(store: Store) -> None:
    _register(store, "dead", ttl=-1.0)
    _register(store, "me")
    rows = [execution(1, owner="dead"), execution(2, owner="dead", ended_at=1.0), execution(3, owner="me")]
    with store.write() as conn:
        executions.insert_many(conn, rows)
        assert "dead" in conductors.expired(conn, margin=0.0)
        taken = conductors.adopt(conn, "dead", "me")
        assert taken is not None
        assert [(row["id"], row["owner"], row["adoptions"]) for row in taken] == [(rows[0]["id"], "me", 1)]
        assert not conductors.check(conn, "dead", 1, batch=1)
        assert conductors.renew(conn, "dead", 1, 60) is None
        conductors.forget(conn)
        assert [row["id"] for row in conductors.every(conn)] == ["me"]


def test_an_adopter_may_leave_what_it_cannot_run_to_others(store: Store) -> None:
    _register(store, "dead", ttl=-1.0)
    rows = [execution(number, owner="dead") for number in (1, 2)]
    with store.write() as conn:
        executions.insert_many(conn, rows)
        assert len(conductors.adopt(conn, "dead", "one", [rows[0]["id"]]) or []) == 1
        assert [row["id"] for row in executions.of_owner(conn, "dead")] == [rows[1]["id"]]
        assert "dead" in conductors.expired(conn, margin=0.0)
        conductors.forget(conn)
        assert len(conductors.adopt(conn, "dead", "two") or []) == 1


def test_a_lease_that_lasts_is_not_adopted(postgres_url: str) -> None:
    from rota.store.migrate import migrate

    migrate(postgres_url)
    store = open_store(postgres_url)
    _register(store, "alive", ttl=60.0)
    _register(store, "late", ttl=-5.0)
    with store.write() as conn:
        assert conductors.expired(conn, margin=1.0) == ["late"]
        assert conductors.expired(conn, margin=30.0) == []
        assert conductors.adopt(conn, "alive", "me") is None
        assert conductors.adopt(conn, "late", "me", margin=30.0) is None
        assert conductors.check(conn, "alive", 1, batch=1)
        assert conductors.adopt(conn, "late", "me") == []
    store.close()


def test_leaving_hands_over_what_servers_may_take(store: Store) -> None:
    presence = _register(store, "me")
    rows = [execution(1, owner="me"), execution(2, owner="me", mode="local")]
    with store.write() as conn:
        executions.insert_many(conn, rows)
        conductors.leave(conn, "me")
        assert [row["id"] for row in executions.unowned(conn)] == [rows[0]["id"]]
        assert [row["id"] for row in executions.of_owner(conn, "me")] == [rows[1]["id"]]
        assert [row["state"] for row in conductors.every(conn)] == ["stopped"]
        executions.update(conn, rows[1]["id"], ended_at=1.0)
        conductors.forget(conn)
        assert conductors.every(conn) == []
    if presence:
        presence.release()


def test_a_presence_is_held_by_one_and_freed_by_death(sqlite_store: Store) -> None:
    path = sqlite_store.path
    assert path is not None
    argv = [sys.executable, "-c", _CLAIM, str(path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment()) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"True\n"
        assert claim(path, "dead") is None
        other.kill()
        other.wait()
        presence = claim(path, "dead")
        assert presence is not None
        assert claim(path, "dead") is None
        presence.release()
    assert list(Path(f"{path}-conductors").iterdir()) == []


def test_commands_are_applied_once_in_order_by_the_owner(store: Store) -> None:
    mine = execution(1, owner="me")
    with store.write() as conn:
        executions.insert_many(conn, [mine, execution(2, owner="you")])
        first = commands.add(conn, mine["id"], "pause", at=1.0, author="ann")
        second = commands.add(conn, mine["id"], "limits", {"max_parallel": 3}, at=2.0)
        commands.add(conn, execution(2)["id"], "cancel", at=3.0)
        assert [row["id"] for row in commands.open_for(conn, "me")] == [first, second]
        assert commands.applied(conn, first, {"ok": True}, at=4.0)
        assert not commands.applied(conn, first, {"ok": False}, at=5.0)
        assert [(row["kind"], row["payload"]) for row in commands.open_of(conn, mine["id"])] == [
            ("limits", {"max_parallel": 3})
        ]
        assert (commands.get(conn, first) or {})["result"] == {"ok": True}
        assert commands.get(conn, 10_000) is None


def _change(number: int) -> dict[str, Any]:
    return {"execution_id": execution(number)["id"], "run": 1, "state": "success", "created_at": float(number)}


def test_every_consumer_reads_the_outbox_from_its_own_cursor(store: Store) -> None:
    with store.write() as conn:
        outbox.add(conn, [_change(number) for number in range(5)])
        outbox.add(conn, [])
    seen: list[float] = []
    for _ in range(4):
        with store.write() as conn:
            rows, position = outbox.after(conn, outbox.cursor(conn, "alerts"), limit=2)
            seen += [row["created_at"] for row in rows]
            outbox.move(conn, "alerts", position)
    assert seen == [0.0, 1.0, 2.0, 3.0, 4.0]
    with store.read() as conn:
        assert outbox.cursor(conn, "plugins") == ""
        assert len(outbox.after(conn, "")[0]) == 5
        assert outbox.after(conn, outbox.end(conn))[0] == []


def test_the_outbox_is_trimmed_behind_the_slowest_consumer(store: Store) -> None:
    with store.write() as conn:
        outbox.add(conn, [_change(number) for number in range(5)])
    with store.write() as conn:
        _, position = outbox.after(conn, "", limit=3)
        outbox.move(conn, "slow", position)
        outbox.move(conn, "quick", outbox.end(conn))
        assert outbox.trim(conn, before=2.0) == 2
        assert outbox.trim(conn, before=99.0) == 1
        assert [row["created_at"] for row in outbox.after(conn, "")[0]] == [3.0, 4.0]


def test_a_change_that_commits_late_is_not_passed_over(postgres_url: str) -> None:
    from rota.store.migrate import migrate

    migrate(postgres_url)
    store, other = open_store(postgres_url), open_store(postgres_url)
    with store.write() as late:
        outbox.add(late, [_change(1)])
        with other.write() as conn:
            outbox.add(conn, [_change(2)])
        with store.read() as conn:
            rows, position = outbox.after(conn, "")
            assert rows == []
    with store.read() as conn:
        rows, _ = outbox.after(conn, position)
        assert [row["created_at"] for row in rows] == [1.0, 2.0]
    store.close()
    other.close()


def test_a_cursor_of_another_server_begins_anew(postgres_url: str) -> None:
    from rota.store.migrate import migrate

    migrate(postgres_url)
    store = open_store(postgres_url)
    with store.write() as conn:
        outbox.add(conn, [_change(1)])
    with store.read() as conn:
        newest = conn.execute(sa.text("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")).scalar_one()
        assert len(outbox.after(conn, f"{newest + 1_000_000}:9")[0]) == 1
    store.close()
