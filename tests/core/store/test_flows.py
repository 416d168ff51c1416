"""Flows, revisions and their files."""

from __future__ import annotations

from hashlib import sha256

from rota.store import Store, flows
from rota.store.flows import Deployed


def test_a_deployment_is_a_new_revision_only_if_something_changed(store: Store) -> None:
    with store.write() as conn:
        first = flows.deploy(conn, "data", "backup", "id: backup", {"a.py": b"1"}, author="ann", at=1.0)
        assert (first.number, first.changed) == (1, True)
        again = flows.deploy(conn, "data", "backup", "id: backup", {"a.py": b"1"}, author="bob", at=2.0)
        assert again == Deployed(first.revision_id, 1, changed=False)
        assert flows.deploy(conn, "data", "backup", "id: backup", {"a.py": b"2"}, author="bob", at=3.0).number == 2
        assert flows.deploy(conn, "data", "backup", "id: backup # new", {"a.py": b"2"}, author="", at=4.0).number == 3
        assert flows.deploy(conn, "data", "backup", "id: backup", {"a.py": b"1"}, author="", at=5.0).number == 4
        assert [row["number"] for row in flows.history(conn, "data", "backup")] == [4, 3, 2, 1]
        assert (flows.numbered(conn, "data", "backup", 2) or {})["author"] == "bob"
        assert flows.numbered(conn, "data", "backup", 9) is None


def test_files_are_stored_once_by_content(store: Store) -> None:
    data = bytes(range(256))
    with store.write() as conn:
        flows.deploy(conn, "data", "one", "x", {"a": data, "b": data}, author="", at=1.0)
        flows.deploy(conn, "data", "two", "x", {"c": data}, author="", at=1.0)
        found = flows.get(conn, "data", "one")
        assert found is not None
        digest = sha256(data).hexdigest()
        assert found["files"] == {"a": digest, "b": digest}
        assert flows.contents(conn, [digest, "unknown"]) == {digest: data}
        assert conn.exec_driver_sql("SELECT count(*) FROM files").scalar() == 1


def test_a_draft_has_no_number_and_is_no_flow(store: Store) -> None:
    with store.write() as conn:
        draft = flows.draft(conn, "default", "try", "id: try", {}, author="ann", at=1.0)
        assert flows.draft(conn, "default", "try", "id: try", {}, author="ann", at=2.0) == draft
        assert flows.draft(conn, "default", "try", "id: try # 2", {}, author="ann", at=2.0) != draft
        assert flows.get(conn, "default", "try") is None
        assert flows.history(conn, "default", "try") == []
        revision = flows.revision(conn, draft)
        assert revision is not None
        assert (revision["source"], revision["number"], revision["draft"]) == ("id: try", None, True)
        assert flows.revision(conn, 10_000) is None
        assert flows.deploy(conn, "default", "try", "id: try", {}, author="", at=3.0).number == 1


def test_a_deleted_flow_is_gone_and_comes_back_with_its_numbers(store: Store) -> None:
    with store.write() as conn:
        flows.deploy(conn, "data", "backup", "x", {}, author="", at=1.0)
        assert flows.delete(conn, "data", "backup", at=2.0)
        assert not flows.delete(conn, "data", "backup", at=2.0)
        assert flows.get(conn, "data", "backup") is None
        assert flows.page(conn) == []
        assert (flows.get(conn, "data", "backup", deleted=True) or {})["deleted_at"] == 2.0
        assert flows.deploy(conn, "data", "backup", "x", {}, author="", at=3.0).number == 2
        assert (flows.get(conn, "data", "backup") or {})["created_at"] == 1.0


def test_flows_are_paged_by_name_and_found_in_child_namespaces(store: Store) -> None:
    names = [("data", "b"), ("data.mongo", "a"), ("database", "c"), ("data", "a")]
    with store.write() as conn:
        for namespace, flow in names:
            flows.deploy(conn, namespace, flow, "x", {}, author="", at=1.0)
        assert flows.disable(conn, "data", "b", True, at=2.0)
        rows = flows.page(conn, namespace="data")
        assert [(row["namespace"], row["id"], bool(row["disabled"])) for row in rows] == [
            ("data", "a", False),
            ("data", "b", True),
            ("data.mongo", "a", False),
        ]
        assert "source" not in rows[0]
        assert [row["namespace"] for row in flows.page(conn, after=("data", "b"), limit=1)] == ["data.mongo"]
