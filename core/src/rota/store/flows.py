"""Flows and their revisions, and the files stored with them by content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa

from rota.store.bulk import upsert
from rota.store.columns import dumps
from rota.store.engine import serialize
from rota.store.executions import within
from rota.store.tables import files, flows, revisions

_f, _r = flows.c, revisions.c
_NEWEST = sa.select(_f.revision_id).where(
    _f.namespace == sa.bindparam("namespace"), _f.id == sa.bindparam("flow"), _f.deleted_at.is_(None)
)


@dataclass(frozen=True, slots=True)
class Deployed:
    """What a deployment came to; `changed` is false when the newest revision was the same already."""

    revision_id: int
    number: int
    changed: bool


def deploy(
    conn: sa.Connection, namespace: str, flow: str, source: str, content: Mapping[str, bytes], *, author: str, at: float
) -> Deployed:
    """Make `source`, with its files by path, the newest revision of a flow, unless it is that already.

    A flow that was deleted is there again; its numbers go on.
    """
    serialize(conn, f"flow {namespace} {flow}")
    there = get(conn, namespace, flow, deleted=True)
    if there is not None and there["deleted_at"] is None and there["checksum"] == _checksum(source, content):
        return Deployed(there["revision_id"], there["number"], changed=False)
    newest = sa.select(sa.func.max(_r.number)).where(_r.namespace == namespace, _r.flow == flow)
    number = (conn.execute(newest).scalar() or 0) + 1
    revision_id = _add(conn, namespace, flow, source, content, number=number, author=author, at=at)
    values = {"revision_id": revision_id, "number": number, "deleted_at": None, "updated_at": at}
    if there is None:
        conn.execute(sa.insert(flows).values(namespace=namespace, id=flow, disabled=False, created_at=at, **values))
    else:
        conn.execute(sa.update(flows).where(_f.namespace == namespace, _f.id == flow).values(values))
    return Deployed(revision_id, number, changed=True)


def draft(
    conn: sa.Connection, namespace: str, flow: str, source: str, content: Mapping[str, bytes], *, author: str, at: float
) -> int:
    """Store `source` for `rota run FILE`, without a number, and return its revision id; the same draft is kept once."""
    same = sa.select(_r.id).where(
        _r.namespace == namespace, _r.flow == flow, _r.checksum == _checksum(source, content), _r.draft.is_(True)
    )
    there = conn.execute(same.limit(1)).scalar()
    return there or _add(conn, namespace, flow, source, content, number=None, author=author, at=at)


def get(conn: sa.Connection, namespace: str, flow: str, *, deleted: bool = False) -> dict[str, Any] | None:
    """Return a flow with its newest revision's `source, files, author, checksum`, or None."""
    row = conn.execute(_newest(deleted), {"namespace": namespace, "flow": flow}).one_or_none()
    return None if row is None else row._asdict()


def newest(conn: sa.Connection, namespace: str, flow: str) -> int | None:
    """Return the id of a flow's newest revision, or None: all that whatever starts an execution has to ask."""
    found: int | None = conn.execute(_NEWEST, {"namespace": namespace, "flow": flow}).scalar()
    return found


def page(
    conn: sa.Connection, *, namespace: str | None = None, after: tuple[str, str] | None = None, limit: int | None = 200
) -> list[dict[str, Any]]:
    """Return up to `limit` flows (of a namespace and its children) without their source, by namespace and id."""
    statement = _with_revision().where(_f.deleted_at.is_(None)).order_by(_f.namespace, _f.id).limit(limit)
    if namespace is not None:
        statement = statement.where(within(_f.namespace, namespace))
    if after is not None:
        statement = statement.where(sa.tuple_(_f.namespace, _f.id) > sa.tuple_(*after))
    return [row._asdict() for row in conn.execute(statement)]


def delete(conn: sa.Connection, namespace: str, flow: str, *, at: float) -> bool:
    """Delete a flow: nothing starts it any more; revisions and executions stay. Return whether it was there."""
    return _set(conn, namespace, flow, deleted_at=at, updated_at=at)


def disable(conn: sa.Connection, namespace: str, flow: str, disabled: bool, *, at: float) -> bool:
    """Disable or enable a flow; return whether it is there."""
    return _set(conn, namespace, flow, disabled=disabled, updated_at=at)


def sources(conn: sa.Connection, revision_ids: Sequence[int]) -> list[dict[str, Any]]:
    """Return `id, namespace, flow, source` of revisions, as far as they are there."""
    columns = (_r.id, _r.namespace, _r.flow, _r.source)
    found: list[dict[str, Any]] = []
    for start in range(0, len(revision_ids), 500):
        statement = sa.select(*columns).where(_r.id.in_(revision_ids[start : start + 500]))
        found += [row._asdict() for row in conn.execute(statement)]
    return found


def revision(conn: sa.Connection, revision_id: int) -> dict[str, Any] | None:
    """Return a revision by its id, draft or not, or None."""
    row = conn.execute(sa.select(revisions).where(_r.id == revision_id)).one_or_none()
    return None if row is None else row._asdict()


def revisions_of(conn: sa.Connection, revision_ids: Sequence[int]) -> list[dict[str, Any]]:
    """Return revisions by their ids, whole, as far as they are there; some hundreds at the most."""
    return [row._asdict() for row in conn.execute(sa.select(revisions).where(_r.id.in_(revision_ids)))]


def numbered(conn: sa.Connection, namespace: str, flow: str, number: int) -> dict[str, Any] | None:
    """Return a revision by its number, or None."""
    statement = sa.select(revisions).where(_r.namespace == namespace, _r.flow == flow, _r.number == number)
    row = conn.execute(statement).one_or_none()
    return None if row is None else row._asdict()


def history(conn: sa.Connection, namespace: str, flow: str, *, limit: int = 100) -> list[dict[str, Any]]:
    """Return the newest `limit` revisions of a flow without their source, newest first, drafts left out."""
    columns = [column for column in _r if column.name != "source"]
    statement = sa.select(*columns).where(_r.namespace == namespace, _r.flow == flow, _r.number.is_not(None))
    return [row._asdict() for row in conn.execute(statement.order_by(_r.number.desc()).limit(limit))]


def contents(conn: sa.Connection, digests: Sequence[str]) -> dict[str, bytes]:
    """Return stored files by their SHA-256, as `files` of a revision names them."""
    statement = sa.select(files.c.sha256, files.c.content).where(files.c.sha256.in_(digests))
    return dict(conn.execute(statement).all())


def _add(
    conn: sa.Connection,
    namespace: str,
    flow: str,
    source: str,
    content: Mapping[str, bytes],
    *,
    number: int | None,
    author: str,
    at: float,
) -> int:
    _store_files(conn, content)
    values = {
        "namespace": namespace,
        "flow": flow,
        "number": number,
        "source": source,
        "files": {path: hashlib.sha256(data).hexdigest() for path, data in sorted(content.items())},
        "draft": number is None,
        "author": author,
        "checksum": _checksum(source, content),
        "created_at": at,
    }
    return int(conn.execute(sa.insert(revisions).values(values).returning(_r.id)).scalar_one())


def _store_files(conn: sa.Connection, content: Mapping[str, bytes]) -> None:
    serialize(conn, "files")  # a purge must not remove what a revision is about to name
    statement = upsert(conn, files).on_conflict_do_nothing()
    for data in content.values():
        conn.execute(statement, {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "content": data})


def _set(conn: sa.Connection, namespace: str, flow: str, **values: Any) -> bool:
    there = (_f.namespace == namespace, _f.id == flow, _f.deleted_at.is_(None))
    return conn.execute(sa.update(flows).where(*there).values(values)).rowcount > 0


def _with_revision(*columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    chosen = (*flows.c, *columns, _r.files, _r.author, _r.checksum)
    return sa.select(*chosen).join(revisions, _r.id == _f.revision_id)


@cache
def _newest(deleted: bool) -> sa.Select[Any]:
    """Return the statement of `get`, built once."""
    named = (_f.namespace == sa.bindparam("namespace"), _f.id == sa.bindparam("flow"))
    statement = _with_revision(_r.source).where(*named)
    return statement if deleted else statement.where(_f.deleted_at.is_(None))


def _checksum(source: str, content: Mapping[str, bytes]) -> str:
    digests = {path: hashlib.sha256(data).hexdigest() for path, data in sorted(content.items())}
    return hashlib.sha256(dumps([source, digests]).encode()).hexdigest()
