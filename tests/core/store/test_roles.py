"""Roles: one conductor has one, and it is free once that is dead."""

from __future__ import annotations

from rota.store import Store, conductors, roles


def _registered(store: Store, name: str) -> None:
    conductors.register(store, name, host="h", pid=1, process_start=1.0, version="1", ttl=60, serving=True)


def test_one_conductor_has_a_role_until_it_leaves(store: Store) -> None:
    _registered(store, "one")
    _registered(store, "two")
    with store.write() as conn:
        assert roles.is_free(conn, "triggers")
        assert roles.take(conn, "triggers", "one")
        assert roles.take(conn, "triggers", "one")
        assert not roles.is_free(conn, "triggers")
        assert not roles.take(conn, "triggers", "two")
        assert roles.take(conn, "alerts", "two")
        conductors.leave(conn, "one")
        assert roles.is_free(conn, "triggers")
        assert roles.take(conn, "triggers", "two")
        assert roles.holder(conn, "triggers") == "two"


def test_the_role_of_a_conductor_that_was_adopted_is_free(store: Store) -> None:
    _registered(store, "dead")
    _registered(store, "other")
    with store.write() as conn:
        roles.take(conn, "triggers", "dead")
        roles.take(conn, "alerts", "other")
    with store.write() as conn:
        if store.dialect != "sqlite":
            conn.exec_driver_sql("UPDATE conductors SET expires_at = 0 WHERE id = 'dead'")
        assert conductors.adopt(conn, "dead", "other") == []
    with store.write() as conn:
        assert roles.take(conn, "triggers", "other")
