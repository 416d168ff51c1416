"""Logs, metrics, keys and values, leases, triggers and the audit trail."""

from __future__ import annotations

from typing import Any

from rota.store import Store, audit, executions, flows, kv, leases, logs, metrics, triggers
from tests.core.store.rows import execution, firing

ID = execution(1)["id"]


def _line(number: int, **values: Any) -> dict[str, Any]:
    line = {"execution_id": ID, "path": "", "node": "a", "attempt": 1, "at": float(number), "level": "info"}
    return {**line, "message": f"line {number}", "fields": None, **values}


def test_log_lines_are_read_in_order_page_after_page(store: Store) -> None:
    lines = [_line(number, level="error" if number % 3 == 0 else "info", fields={"n": number}) for number in range(10)]
    with store.write() as conn:
        logs.insert_many(conn, lines)
        logs.insert_many(conn, [_line(99, execution_id="other"), _line(10, node="b", path="f[0]")])
    with store.read() as conn:
        first = logs.page(conn, ID, limit=4)
        assert [row["message"] for row in first] == [f"line {number}" for number in range(4)]
        assert first[1]["fields"] == {"n": 1}
        rest = logs.page(conn, ID, after=first[-1]["id"])
        assert [row["message"] for row in rest] == [f"line {number}" for number in range(4, 11)]
        assert [row["at"] for row in logs.tail(conn, ID, limit=3)] == [8.0, 9.0, 10.0]
        assert [row["at"] for row in logs.tail(conn, ID, levels=["error"], limit=2)] == [6.0, 9.0]
        assert [row["at"] for row in logs.page(conn, ID, path="f[0]", node="b")] == [10.0]


def test_a_line_may_hold_anything_that_a_program_prints(store: Store) -> None:
    with store.write() as conn:
        logs.insert_many(conn, [_line(1, message="a\x00b\ud800c\U0001f600\r"), _line(2, message="é")])
        found = [row["message"] for row in logs.page(conn, ID)]
    assert found == ["a\ufffdb\ufffdc\U0001f600\r", "é"]


def test_metrics_are_numbers_with_tags(store: Store) -> None:
    row = {"execution_id": ID, "path": "", "node": "a", "attempt": 1, "at": 1.5, "name": "bytes", "value": 0.1}
    with store.write() as conn:
        metrics.insert_many(conn, [{**row, "tags": {"host": "x"}}, {**row, "value": 2, "tags": None}])
        first, second = metrics.page(conn, ID)
        assert (first["value"], first["tags"], second["value"], second["tags"]) == (0.1, {"host": "x"}, 2.0, None)
        assert metrics.page(conn, ID, after=first["id"]) == [second]


def test_keys_live_in_their_namespace_until_they_expire(store: Store) -> None:
    with store.write() as conn:
        kv.put(conn, "data", "a/1", [1], at=1.0)
        kv.put(conn, "data", "a/2", None, at=1.0, expires_at=10.0)
        kv.put(conn, "data", "B", 1, at=1.0)
        kv.put(conn, "web", "a/1", "other", at=1.0)
        kv.put(conn, "data", "a/1", {"x": 2}, at=2.0)
        assert kv.get(conn, "data", "a/1", at=5.0) == {"x": 2}
        assert kv.get(conn, "data", "a/2", "default", at=5.0) is None
        assert kv.get(conn, "data", "a/2", "default", at=10.0) == "default"
        assert kv.keys(conn, "data", at=5.0) == ["B", "a/1", "a/2"]
        assert kv.keys(conn, "data", "a/", at=20.0) == ["a/1"]
        assert [row["key"] for row in kv.page(conn, "data", at=5.0, after="B", limit=1)] == ["a/1"]
        assert kv.delete(conn, "data", "a/1", at=5.0)
        assert not kv.delete(conn, "data", "a/1", at=5.0)
        assert kv.remove_expired(conn, 20.0) == 1
        assert not kv.delete(conn, "data", "a/2", at=5.0)


def test_a_task_run_remembers(store: Store) -> None:
    with store.write() as conn:
        kv.set_task_value(conn, ID, "", "a", "cursor", 5)
        kv.set_task_value(conn, ID, "", "a", "cursor", [6])
        kv.set_task_value(conn, ID, "", "b", "cursor", 7)
        assert kv.task_values(conn, ID, "", "a") == {"cursor": [6]}
        assert kv.delete_task_value(conn, ID, "", "a", "cursor")
        assert not kv.delete_task_value(conn, ID, "", "a", "cursor")
        assert kv.task_values(conn, ID, "", "a") == {}


def test_leases_are_renewed_while_their_execution_lives_and_left_over_after(store: Store) -> None:
    with store.write() as conn:
        executions.insert_many(conn, [execution(1, owner="me"), execution(2, owner="me", ended_at=1.0)])
        live = leases.add(conn, ID, "vault", "db/a", "cipher", 100.0)
        left = leases.add(conn, execution(2)["id"], "vault", "db/b", "cipher", 100.0)
        orphan = leases.add(conn, "purged", "vault", "db/c", "cipher", None)
        assert [row["id"] for row in leases.active_of(conn, ID)] == [live]
        assert leases.expiring(conn, "me", 50.0) == []
        assert [row["id"] for row in leases.expiring(conn, "me", 101.0)] == [live]
        leases.renewed(conn, live, "cipher 2", 500.0)
        assert leases.expiring(conn, "me", 101.0) == []
        assert leases.active_of(conn, ID)[0]["lease"] == "cipher 2"
        assert [row["id"] for row in leases.left_over(conn)] == [left, orphan]
        leases.ended(conn, left)
        leases.ended(conn, orphan, "failed")
        assert leases.left_over(conn) == []


def test_a_firing_is_unique(store: Store) -> None:
    row = firing("2026-01-01T00:00Z", ID, at=1.0)
    with store.write() as conn:
        assert triggers.fire(conn, [row]) == {ID}
        assert triggers.fire(conn, [row | {"execution_id": "x"}]) == set()
        assert triggers.fire(conn, [row | {"kind": "backfill", "execution_id": "x"}]) == {"x"}


def test_a_trigger_keeps_what_is_not_set(store: Store) -> None:
    with store.write() as conn:
        flows.deploy(conn, "data", "backup", "id: backup", {}, author="ann", at=1.0)
        triggers.save(conn, "data", "backup", "nightly", updated_at=1.0, next_at=50.0, high_water_at=10.0)
        triggers.save(conn, "data", "backup", "nightly", updated_at=2.0, state={"cursor": 5})
        triggers.save(conn, "data", "backup", "off", updated_at=1.0, next_at=1.0, enabled=False)
        found = triggers.get(conn, "data", "backup", "nightly")
        assert found is not None
        assert (found["high_water_at"], found["state"], found["updated_at"]) == (10.0, {"cursor": 5}, 2.0)
        assert [row["trigger"] for row in triggers.due(conn, 50.0)] == ["nightly"]
        assert triggers.due(conn, 49.0) == []
        assert triggers.every(conn) == triggers.of_flow(conn, "data", "backup")
        assert triggers.get(conn, "data", "backup", "unknown") is None


def test_the_audit_trail_is_read_newest_first(store: Store) -> None:
    with store.write() as conn:
        for number in range(3):
            audit.add(conn, "ann", "deploy", f"data/{number % 2}", {"number": number}, at=float(number))
        first, second, third = audit.page(conn)
        assert [row["details"] for row in (first, second, third)] == [{"number": 2}, {"number": 1}, {"number": 0}]
        assert audit.page(conn, before=second["id"]) == [third]
        assert audit.page(conn, what="data/1") == [second]
