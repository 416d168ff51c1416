"""Executions: a row each, found by owner, by place and, newest first, by whatever lists ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from rota.store.bulk import Bulk, BulkUpdate, Row
from rota.store.engine import serialize
from rota.store.tables import execution_labels, executions, locks

_e = executions.c
_DEFAULTS: dict[str, Any] = dict.fromkeys(
    (
        "revision_id owner parent_id parent_path parent_node place_key inputs variables labels trigger problem outputs "
        "started_at ended_at author"
    ).split()
) | {"run": 1, "mode": "server", "adoptions": 0, "language": 1}
_INSERT, _LABEL = Bulk(executions), Bulk(execution_labels, ignore=True)
_CHANGES = ("state", "run", "owner", "problem", "outputs", "started_at", "ended_at")
_SAVE = BulkUpdate(executions, key=("id",), values=_CHANGES)
_GET = sa.select(executions).where(_e.id == sa.bindparam("id"))
_OF_OWNER = (
    sa.select(executions).where(_e.owner == sa.bindparam("owner"), _e.ended_at.is_(None)).order_by(_e.created_at, _e.id)
)
_UNOWNED = (
    sa.select(executions)
    .where(_e.owner.is_(None), _e.ended_at.is_(None), _e.mode == "server", _e.root_id == _e.id)
    .order_by(_e.created_at, _e.id)
    .limit(sa.bindparam("limit"))
)
_PLACES = (
    sa.select(_e.id, _e.state, _e.root_id)
    .where(
        _e.namespace == sa.bindparam("namespace"),
        _e.flow == sa.bindparam("flow"),
        _e.place_key == sa.bindparam("place_key"),
        _e.ended_at.is_(None),
    )
    .order_by(_e.created_at, _e.id)
)


_KEPT = sa.select(locks.c.execution_id).where(locks.c.key == sa.bindparam("key"))


@dataclass(frozen=True, slots=True)
class Places:
    """Who holds and who waits for the places of one flow and key: execution ids, each in order of creation."""

    held: list[str]
    queued: list[str]


def insert(conn: sa.Connection, row: Row) -> None:
    """Insert an execution: `id, namespace, flow, state, created_at`, and whatever other columns are known.

    `root_id` is its own id where none is given.
    """
    insert_many(conn, [row])


def insert_many(conn: sa.Connection, rows: Sequence[Row]) -> None:
    """Insert executions; see `insert`."""
    if not rows:
        return
    complete = [{**_DEFAULTS, "root_id": row["id"], **row} for row in rows]
    _INSERT(conn, complete)
    _LABEL(conn, [label for row in complete for label in _labels(row["id"], row["labels"])])


def get(conn: sa.Connection, execution_id: str) -> dict[str, Any] | None:
    """Return one execution, or None."""
    row = conn.execute(_GET, {"id": execution_id}).one_or_none()
    return None if row is None else row._asdict()


def get_many(conn: sa.Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return the executions of `ids` that exist, oldest first."""
    statement = sa.select(executions).where(_e.id.in_(ids)).order_by(_e.created_at, _e.id)
    return [row._asdict() for row in conn.execute(statement)]


def starting_with(conn: sa.Connection, prefix: str, limit: int = 2) -> list[str]:
    """Return at most `limit` ids that start with `prefix`, which a person may have shortened."""
    statement = sa.select(_e.id).where(_e.id >= prefix, _e.id < prefix + "\U0010ffff").order_by(_e.id).limit(limit)
    return list(conn.scalars(statement))


def latest_of(conn: sa.Connection, author: str) -> str | None:
    """Return the id of the newest execution that `author` started and no other execution did."""
    statement = sa.select(_e.id).where(_e.author == author, _e.parent_id.is_(None))
    return conn.scalar(statement.order_by(_e.created_at.desc(), _e.id.desc()).limit(1))


def update(conn: sa.Connection, execution_id: str, **values: Any) -> bool:
    """Set columns of one execution; return whether it exists."""
    done = conn.execute(sa.update(executions).where(_e.id == execution_id).values(values))
    if "labels" in values:
        conn.execute(sa.delete(execution_labels).where(execution_labels.c.execution_id == execution_id))
        _LABEL(conn, list(_labels(execution_id, values["labels"])))
    return done.rowcount > 0


def save(conn: sa.Connection, rows: Sequence[Row]) -> None:
    """Set `state, run, owner, problem, outputs, started_at, ended_at` of executions; every row has all, and `id`."""
    _SAVE(conn, rows)


def page(
    conn: sa.Connection,
    *,
    namespace: str | None = None,
    flow: str | None = None,
    states: Iterable[str] = (),
    labels: Mapping[str, str] | None = None,
    since: float | None = None,
    until: float | None = None,
    parent_id: str | None = None,
    before: str | None = None,
    limit: int = 50,
) -> list[dict[str, Any]]:
    """Return up to `limit` executions, newest first, without their `inputs`, `variables` and `outputs`.

    `namespace` includes its children, unless a `flow` is named; `since` (included) and `until` (excluded) are times of
    creation. The next page is `before=position(last row)`.
    """
    conditions = list(_conditions(namespace, flow, tuple(states), labels or {}, since, until))
    if parent_id is not None:
        conditions.append(_e.parent_id == parent_id)
    if before is not None:
        at, _, last = before.partition("~")
        conditions.append(sa.tuple_(_e.created_at, _e.id) < sa.tuple_(float(at), last))
    # The ids first, from an index alone: filters that leave little would read many rows for nothing.
    ids = sa.select(_e.id).where(*conditions).order_by(_e.created_at.desc(), _e.id.desc()).limit(limit)
    columns = [column for column in _e if column.name not in {"inputs", "variables", "outputs"}]
    found = {
        row.id: row._asdict() for row in conn.execute(sa.select(*columns).where(_e.id.in_(ids.subquery().select())))
    }
    return sorted(found.values(), key=lambda row: (row["created_at"], row["id"]), reverse=True)


def position(row: Row) -> str:
    """Return what `page` takes as `before` to go on after `row`."""
    return f"{row['created_at']!r}~{row['id']}"


def within(column: sa.ColumnElement[str], namespace: str) -> sa.ColumnElement[bool]:
    """The condition that `column` names `namespace` or a child of it."""
    # `/` is the character after `.`, so this is a range of an index.
    return sa.or_(column == namespace, sa.and_(column >= f"{namespace}.", column < f"{namespace}/"))


def unowned(conn: sa.Connection, limit: int = 100, *, without: Sequence[int] = ()) -> list[dict[str, Any]]:
    """Return up to `limit` executions that no conductor owns and that a server may take, oldest first.

    Subflows that are waited for come with their root. Those of the revisions `without` are left out.
    """
    statement = _UNOWNED if not without else _UNOWNED.where(_e.revision_id.not_in(without))
    return [row._asdict() for row in conn.execute(statement, {"limit": limit})]


def take(conn: sa.Connection, ids: Sequence[str], owner: str) -> list[str]:
    """Make `owner` the owner of those of `ids` that nobody owns and that have not ended; return which, oldest first."""
    free = (
        sa.select(_e.id).where(_e.id.in_(ids), _e.owner.is_(None), _e.ended_at.is_(None)).order_by(_e.created_at, _e.id)
    )
    if conn.dialect.name != "sqlite":
        free = free.with_for_update(skip_locked=True)
    taken = list(conn.scalars(free))
    if taken:
        conn.execute(sa.update(executions).where(_e.id.in_(taken)).values(owner=owner))
    return taken


def take_families(conn: sa.Connection, roots: Sequence[str], owner: str) -> list[dict[str, Any]]:
    """Do what `take` does for executions and the subflows that they wait for; return them all, oldest first."""
    taken = take(conn, roots, owner)
    if not taken:
        return []
    statement = sa.select(executions).where(_e.root_id.in_(taken), _e.ended_at.is_(None))
    rows = [row._asdict() for row in conn.execute(statement.order_by(_e.created_at, _e.id))]
    waiting = [row["id"] for row in rows if row["owner"] is None]
    found = set(take(conn, waiting, owner)) if waiting else set()
    return [row | {"owner": owner} if row["id"] in found else row for row in rows]


def of_owner(conn: sa.Connection, owner: str) -> list[dict[str, Any]]:
    """Return the executions of a conductor that have not ended, oldest first."""
    return [row._asdict() for row in conn.execute(_OF_OWNER, {"owner": owner})]


def hand_over(conn: sa.Connection, ids: Sequence[str], owner: str) -> None:
    """Let nobody own executions of `owner` any more: a server takes them."""
    mine = sa.update(executions).where(_e.id.in_(ids), _e.owner == owner, _e.ended_at.is_(None))
    conn.execute(mine.values(owner=None))


def family(conn: sa.Connection, root_id: str) -> list[dict[str, Any]]:
    """Return an execution and the subflows that it waits for, at any depth, as far as they have not ended."""
    statement = sa.select(executions).where(_e.root_id == root_id, _e.ended_at.is_(None))
    return [row._asdict() for row in conn.execute(statement.order_by(_e.created_at, _e.id))]


def progressed(conn: sa.Connection, root_id: str) -> None:
    """Forget how often an execution was taken over: it has got somewhere since."""
    conn.execute(sa.update(executions).where(_e.id == root_id).values(adoptions=0))


def children(
    conn: sa.Connection, parent_id: str, path: str | None = None, node: str | None = None
) -> list[dict[str, Any]]:
    """Return the executions that subflow tasks of an execution started (all, or those of one task), oldest first."""
    statement = sa.select(executions).where(_e.parent_id == parent_id)
    if path is not None:
        statement = statement.where(_e.parent_path == path)
    if node is not None:
        statement = statement.where(_e.parent_node == node)
    return [row._asdict() for row in conn.execute(statement.order_by(_e.created_at, _e.id))]


def alive_places(conn: sa.Connection, namespace: str, flow: str, place_key: str) -> Places:
    """Return who holds and who waits for the places of one flow and key.

    A place is held by an execution that has started and not ended, or was kept for one: see `keep_place`. Nobody else
    sees or changes them until the transaction of `conn` ends, so give places in that same transaction.
    """
    serialize(conn, f"place {namespace} {flow} {place_key}")
    rows = conn.execute(_PLACES, {"namespace": namespace, "flow": flow, "place_key": place_key}).all()
    waiting = ("created", "queued")
    held = [row.id for row in rows if row.state not in waiting]
    kept = conn.scalars(_KEPT, {"key": _kept_key(namespace, flow, place_key)})
    held += [execution_id for execution_id in kept if execution_id not in held]
    return Places(held, [row.id for row in rows if row.state in waiting])


def keep_place(conn: sa.Connection, row: Row, *, at: float) -> None:
    """Keep the place of an execution beyond its end, until its locks are released: a thread of it goes on.

    It is a held request for a lock that nobody else asks for; so it shows among the locks, too.
    """
    values = {"execution_id": row["id"], "root_id": row["id"], "path": "", "node": "", "idx": -1, "inside": []}
    values |= {"key": _kept_key(row["namespace"], row["flow"], row["place_key"])}
    conn.execute(sa.insert(locks).values(values | {"held": True, "asked_at": at, "granted_at": at}))


def _kept_key(namespace: str, flow: str, place_key: str) -> str:
    return f"(place) {namespace}/{flow} {place_key}".rstrip()


def _labels(execution_id: str, labels: Mapping[str, str] | None) -> Iterable[Row]:
    for name, value in (labels or {}).items():
        yield {"execution_id": execution_id, "name": name, "value": str(value)}


def _conditions(
    namespace: str | None,
    flow: str | None,
    states: tuple[str, ...],
    labels: Mapping[str, str],
    since: float | None,
    until: float | None,
) -> Iterable[sa.ColumnElement[bool]]:
    if namespace is not None:
        yield within(_e.namespace, namespace) if flow is None else _e.namespace == namespace
    if flow is not None:
        yield _e.flow == flow
    if states:
        yield _e.state.in_(states) if len(states) > 1 else _e.state == states[0]
    if since is not None:
        yield _e.created_at >= since
    if until is not None:
        yield _e.created_at < until
    for name, value in labels.items():
        label = execution_labels.c
        yield _e.id.in_(sa.select(label.execution_id).where(label.name == name, label.value == value))
