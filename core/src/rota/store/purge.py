"""Removes old executions and everything about them, in transactions so small that nobody waits for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from rota.store import conditions, deliveries, incidents, kv, outbox, silences, sqlite
from rota.store.artifacts import key_of
from rota.store.engine import Store, serialize
from rota.store.executions import within
from rota.store.tables import (
    artifacts,
    attempts,
    commands,
    execution_labels,
    executions,
    files,
    firings,
    flows,
    iterations,
    leases,
    locks,
    logs,
    metrics,
    revisions,
    task_runs,
    task_state,
    timers,
)

_e = executions.c
_ROWS = 500
_DETAILS = (
    logs,
    metrics,
    task_runs,
    attempts,
    iterations,
    timers,
    task_state,
    commands,
    locks,
    leases,
    execution_labels,
)
_PAUSE = 0.002


@dataclass(slots=True)
class Purged:
    """How many of each were removed."""

    executions: int = 0
    rows: int = 0
    artifacts: int = 0
    revisions: int = 0


def purge(
    store: Store,
    *,
    before: float,
    namespace: str | None = None,
    states: Iterable[str] = (),
    delete_artifact: Callable[[str], object],
    dry_run: bool = False,
) -> Purged:
    """Remove the executions that ended before a time, of a namespace with its children, in some of the ended states.

    An execution stays while one of its subflows or a parent of it is alive, or a lease of it is not revoked.
    `delete_artifact` is given the key of each of their files. What triggers remember of their past is kept. Raises
    StoreError; what was removed until then stays removed, and calling it again goes on.
    """
    purged = Purged()
    after = ""
    while ids := _candidates(store, before, namespace, tuple(states), after):
        after = ids[-1]
        purged.executions += len(ids)
        if dry_run:
            continue
        purged.artifacts += _purge_artifacts(store, ids, delete_artifact)
        purged.rows += sum(_purge_table(store, table, ids) for table in _DETAILS)
        _in_transaction(store, sa.delete(executions).where(_e.id.in_(ids)))
    if not dry_run:
        purged.revisions = _purge_rest(store, before)
    return purged


def _candidates(store: Store, before: float, namespace: str | None, states: tuple[str, ...], after: str) -> list[str]:
    relative = executions.alias()
    family = sa.exists().where(relative.c.root_id == _e.root_id, relative.c.ended_at.is_(None))
    leased = sa.exists().where(leases.c.execution_id == _e.id, leases.c.state == "active")
    statement = sa.select(_e.id).where(_e.ended_at < before, _e.id > after, ~family, ~leased).order_by(_e.id).limit(100)
    if namespace is not None:
        statement = statement.where(within(_e.namespace, namespace))
    if states:
        statement = statement.where(_e.state.in_(states))
    with store.read() as conn:
        return list(conn.scalars(statement))


def _purge_artifacts(store: Store, ids: Sequence[str], delete_artifact: Callable[[str], object]) -> int:
    with store.read() as conn:
        uris = list(conn.scalars(sa.select(artifacts.c.uri).where(artifacts.c.execution_id.in_(ids))))
    for uri in uris:
        # The file first: a row without a file is found again, a file without a row never.
        delete_artifact(key_of(store.database_id, uri))
    return _purge_table(store, artifacts, ids)


def _purge_table(store: Store, table: sa.Table, ids: Sequence[str]) -> int:
    key = sa.tuple_(*table.primary_key) if len(table.primary_key) > 1 else next(iter(table.primary_key))
    some = sa.select(*table.primary_key).where(table.c.execution_id.in_(ids)).limit(_ROWS)
    statement = sa.delete(table).where(key.in_(some))
    count = removed = _in_transaction(store, statement)
    while removed == _ROWS:
        removed = _in_transaction(store, statement)
        count += removed
    return count


def _purge_rest(store: Store, before: float) -> int:
    """Remove what no execution needs any more; revisions of deployed flows stay."""
    used = sa.exists().where(_e.revision_id == revisions.c.id)
    current = sa.exists().where(flows.c.revision_id == revisions.c.id)
    old = revisions.c.created_at < before
    drafts = sa.delete(revisions).where(revisions.c.draft.is_(True), old, ~used, ~current)
    count = _in_transaction(store, drafts)
    # Firings are what makes a trigger fire once: its mark, which stays, is later than these.
    _in_transaction(store, sa.delete(firings).where(firings.c.created_at < before, ~_alive(firings.c.execution_id)))
    with store.write() as conn:
        outbox.trim(conn, before)
    _purge_alerts(store, before)
    while True:
        with store.write() as conn:
            if not kv.remove_expired(conn, time.time()):
                break
    _purge_files(store)
    _shrink(store)
    return count


def _purge_alerts(store: Store, before: float) -> None:
    """Remove what people were told of, once it is over."""
    for forget in (incidents.forget, deliveries.forget, conditions.forget, silences.forget):
        while _forgotten(store, forget, before):
            time.sleep(_PAUSE)


def _forgotten(store: Store, forget: Callable[[sa.Connection, float], int], before: float) -> bool:
    with store.write() as conn:
        return forget(conn, before) == _ROWS


def _alive(execution_id: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
    return sa.exists().where(_e.id == execution_id)


def _purge_files(store: Store) -> None:
    with store.write() as conn:
        serialize(conn, "files")
        used = {digest for (paths,) in conn.execute(sa.select(revisions.c.files)) for digest in paths.values()}
        unused = set(conn.scalars(sa.select(files.c.sha256))) - used
        for digest in unused:
            conn.execute(sa.delete(files).where(files.c.sha256 == digest))


def _shrink(store: Store) -> None:
    """Give freed pages of an SQLite file back to the system, a few at a time."""
    while store.dialect == "sqlite":
        with store.write() as conn:
            free = sqlite.raw(conn).execute("PRAGMA freelist_count").fetchone()[0]
            if not free:
                return
            sqlite.raw(conn).execute(f"PRAGMA incremental_vacuum({_ROWS})").fetchall()
        time.sleep(_PAUSE)


def _in_transaction(store: Store, statement: sa.Delete) -> int:
    with store.write() as conn:
        count = conn.execute(statement).rowcount
    time.sleep(_PAUSE)  # lets whoever waits for the file have it
    return count
