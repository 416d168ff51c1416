"""Executions: found by owner, by place, by what lists filter by, and fast among many."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from rota.store import Store, executions, open_store
from tests.core.store.rows import execution


def test_an_execution_keeps_what_it_was_given(store: Store) -> None:
    row = execution(1, inputs={"a": {"$secret": "token"}}, labels={"team": "data"}, trigger={"id": "nightly"}, run=2)
    with store.write() as conn:
        executions.insert(conn, row)
    with store.read() as conn:
        found = executions.get(conn, row["id"])
        assert executions.get(conn, "nobody") is None
    assert found is not None
    assert {name: found[name] for name in row} == row
    assert (found["root_id"], found["mode"], found["adoptions"], found["problem"]) == (row["id"], "server", 0, None)


def test_changes_of_one_and_of_many(store: Store) -> None:
    rows = [execution(number, inputs={"kept": True}) for number in range(3)]
    with store.write() as conn:
        executions.insert_many(conn, rows)
        assert executions.update(conn, rows[0]["id"], variables={"a": 1}, labels={"team": "web"})
        assert not executions.update(conn, "nobody", state="failed")
        end: dict[str, Any] = {"state": "failed", "run": 2, "owner": None, "problem": {"type": "x"}, "outputs": None}
        executions.save(conn, [{**row, **end, "started_at": 1.0, "ended_at": 2.5} for row in rows[1:]])
    with store.read() as conn:
        first, second, _ = executions.get_many(conn, [row["id"] for row in rows])
        assert (first["state"], first["variables"], first["labels"]) == ("running", {"a": 1}, {"team": "web"})
        assert (second["state"], second["run"], second["ended_at"]) == ("failed", 2, 2.5)
        assert (second["problem"], second["inputs"]) == ({"type": "x"}, {"kept": True})
        assert [row["id"] for row in executions.page(conn, labels={"team": "web"})] == [first["id"]]


def test_a_page_is_filtered_by_everything_at_once(store: Store) -> None:
    rows = [
        execution(1, namespace="data"),
        execution(2, namespace="data.mongo", state="failed", labels={"team": "db", "tier": "1"}, ended_at=5.0),
        execution(3, namespace="data.mongo", flow="report", state="success", labels={"team": "db"}),
        execution(4, namespace="database", state="failed"),
        execution(5, namespace="data-lake"),
        execution(6, namespace="data.mongo.eu", parent_id=f"{2:032x}"),
    ]
    with store.write() as conn:
        executions.insert_many(conn, rows)

    def numbers(**filters: Any) -> list[int]:
        with store.read() as conn:
            return [int(row["id"], 16) for row in executions.page(conn, **filters)]

    assert numbers() == [6, 5, 4, 3, 2, 1]
    assert numbers(namespace="data") == [6, 3, 2, 1]
    assert numbers(namespace="data.mongo", flow="backup") == [2]
    assert numbers(states=["failed", "success"]) == [4, 3, 2]
    assert numbers(states=["failed"], namespace="data") == [2]
    assert numbers(labels={"team": "db"}) == [3, 2]
    assert numbers(labels={"team": "db", "tier": "1"}) == [2]
    assert numbers(since=1003.0, until=1005.0) == [4, 3]
    assert numbers(parent_id=f"{2:032x}") == [6]
    assert numbers(namespace="other") == []


def test_pages_follow_each_other_also_where_times_are_equal(store: Store) -> None:
    with store.write() as conn:
        executions.insert_many(conn, [execution(number, created_at=1000.0 + number // 5) for number in range(23)])
    seen: list[str] = []
    before = None
    with store.read() as conn:
        while rows := executions.page(conn, before=before, limit=4):
            assert "inputs" not in rows[0]
            seen += [row["id"] for row in rows]
            before = executions.position(rows[-1])
    assert seen == [f"{number:032x}" for number in reversed(range(23))]


def test_a_short_id_finds_whom_it_may_mean(store: Store) -> None:
    with store.write() as conn:
        executions.insert_many(conn, [execution(1, id="abc1"), execution(2, id="abc2"), execution(3, id="abd")])
        assert executions.starting_with(conn, "abd") == ["abd"]
        assert executions.starting_with(conn, "ab", limit=2) == ["abc1", "abc2"]
        assert executions.starting_with(conn, "x") == []


def test_what_nobody_owns_is_taken_once(store: Store) -> None:
    rows = [
        execution(1, owner="other"),
        execution(2),
        execution(3, mode="local"),
        execution(4, ended_at=1.0),
        execution(5),
    ]
    ids = [row["id"] for row in rows]
    with store.write() as conn:
        executions.insert_many(conn, rows)
        assert [row["id"] for row in executions.unowned(conn)] == [ids[1], ids[4]]
        assert executions.take(conn, ids, "me") == [ids[1], ids[2], ids[4]]
        assert executions.take(conn, ids, "me too") == []
        assert [row["id"] for row in executions.of_owner(conn, "me")] == [ids[1], ids[2], ids[4]]
        assert executions.unowned(conn) == []


def test_families_are_taken_whole_and_once(store: Store) -> None:
    root, other = execution(1), execution(2, owner="other")
    rows = [
        root,
        other,
        execution(3, root_id=root["id"]),
        execution(4, root_id=root["id"], owner="other"),
        execution(5, root_id=root["id"], ended_at=1.0),
        execution(6, root_id=other["id"]),
    ]
    ids = [row["id"] for row in rows]
    with store.write() as conn:
        executions.insert_many(conn, rows)
        taken = executions.take_families(conn, [root["id"], other["id"]], "me")
        assert [(row["id"], row["owner"]) for row in taken] == [(ids[0], "me"), (ids[2], "me"), (ids[3], "other")]
        assert taken[0] == executions.get(conn, ids[0])
        assert executions.take_families(conn, [root["id"]], "me too") == []
        assert [row["id"] for row in executions.of_owner(conn, "me")] == [ids[0], ids[2]]


def test_children_are_found_by_the_task_that_started_them(store: Store) -> None:
    parent = execution(1)["id"]
    with store.write() as conn:
        child: dict[str, Any] = {"parent_id": parent, "parent_path": "f[a]", "parent_node": "sub", "root_id": parent}
        executions.insert_many(
            conn, [execution(1), execution(2, **child), execution(3, **child | {"parent_path": "x"})]
        )
        assert len(executions.children(conn, parent)) == 2
        assert [row["id"] for row in executions.children(conn, parent, "f[a]", "sub")] == [execution(2)["id"]]


def test_places_are_counted_from_rows(store: Store) -> None:
    place = {"place_key": "prod"}
    rows = [
        execution(1, **place),
        execution(2, state="queued", **place),
        execution(3, state="success", ended_at=1.0, **place),
        execution(4, place_key="staging"),
        execution(5, flow="other", **place),
        execution(6, state="paused", **place),
        execution(7, state="queued", **place),
    ]
    with store.write() as conn:
        executions.insert_many(conn, rows)
        places = executions.alive_places(conn, "data", "backup", "prod")
    assert places.held == [rows[0]["id"], rows[5]["id"]]
    assert places.queued == [rows[1]["id"], rows[6]["id"]]


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A file with 100,000 executions, 100 of them failed."""
    path = tmp_path_factory.mktemp("crowded") / "rota.db"
    store = open_store(f"sqlite:///{path}", durability="process")
    rows = [
        execution(
            number,
            namespace=f"team{number % 10}",
            flow=f"flow{number % 7}",
            state="failed" if number % 1000 == 0 else "success",
            ended_at=1.0,
            labels={"host": str(number % 500)},
        )
        for number in range(100_000)
    ]
    with store.write() as conn:
        executions.insert_many(conn, rows)
    yield store
    store.close()


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({}, "ix_executions_listed"),
        ({"namespace": "team3"}, "ix_executions_"),
        ({"namespace": "team3", "flow": "flow3"}, "ix_executions_flow"),
        ({"states": ["failed"]}, "ix_executions_state"),
        ({"since": 50_000.0, "until": 51_000.0}, "ix_executions_listed"),
        ({"labels": {"host": "7"}}, "ix_execution_labels_value"),
    ],
)
def test_a_page_among_many_reads_an_index_and_never_all_rows(
    crowded: Store, filters: dict[str, Any], index: str
) -> None:
    statements: list[tuple[str, Any]] = []
    with crowded.read() as conn:
        sa.event.listen(conn, "before_cursor_execute", lambda *args: statements.append((args[2], args[3])))
        first = executions.page(conn, **filters, limit=20)
        second = executions.page(conn, **filters, limit=20, before=executions.position(first[-1]))
        for sql, parameters in statements[:2]:
            plan = [row[-1] for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", parameters)]
            assert any(index in line for line in plan), plan
            assert not any(line.startswith("SCAN executions") and "COVERING INDEX" not in line for line in plan), plan
    assert len(first) == len(second) == 20
    assert first[-1]["created_at"] > second[0]["created_at"]


def test_the_executions_of_an_owner_are_found_among_many(crowded: Store) -> None:
    with crowded.read() as conn:
        assert executions.unowned(conn) == []
        sql = "SELECT id FROM executions WHERE owner = 'x' AND ended_at IS NULL ORDER BY created_at, id"
        sql = f"EXPLAIN QUERY PLAN {sql}"
        assert ["ix_executions_owner" in row[-1] for row in conn.exec_driver_sql(sql)] == [True]


def test_the_crowd_is_on_disk(crowded: Store) -> None:
    assert isinstance(crowded.path, Path)
    with crowded.read() as conn:
        assert conn.exec_driver_sql("SELECT count(*) FROM executions").scalar() == 100_000
