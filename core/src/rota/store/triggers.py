"""Triggers: where each stands, and every firing, unique, in the transaction that creates its execution."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from rota.store import audit
from rota.store.bulk import Bulk, BulkUpdate
from rota.store.tables import executions, firings, flows, triggers

_t, _f, _e = triggers.c, firings.c, executions.c
_KEY = ("namespace", "flow", "trigger")
_DEFAULTS: dict[str, Any] = {"enabled": True, "type": "", "fingerprint": "", "failures": 0} | dict.fromkeys(
    ("anchor_at", "high_water_at", "state", "next_at", "last_at", "execution_id", "last_error")
)
_SAVE = Bulk(triggers, update=[column.name for column in _t if column.name not in _KEY])
_NO_SOURCE = frozenset(("schedule", "flow", "webhook"))
STANDING = ("high_water_at", "next_at", "last_at", "execution_id", "failures", "last_error", "updated_at")
"""The columns that evaluating a trigger changes, its `state` apart."""
ENABLE, DISABLE = "trigger.enable", "trigger.disable"
SWITCHED = (ENABLE, DISABLE)
"""What the audit trail calls it when a trigger is switched on or off."""
STOP_AFTER = "stop_after"
"""Who did it, where its own key of that name did."""
# One that was defined anew, or disabled in its flow, since it was looked at stands where that put it.
_MOVE = BulkUpdate(triggers, key=(*_KEY, "fingerprint"), values=STANDING)
_FIRE = Bulk(firings, ignore=True)
_REVISION = sa.select(triggers, flows.c.revision_id).join(
    flows, sa.and_(flows.c.namespace == _t.namespace, flows.c.id == _t.flow)
)
_DUE = (
    _REVISION.where(_t.next_at <= sa.bindparam("at"), _t.enabled.is_(True), flows.c.deleted_at.is_(None))
    .order_by(_t.next_at)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_VERSION = sa.select(
    sa.select(sa.func.max(flows.c.updated_at)).scalar_subquery(),
    sa.select(sa.func.max(flows.c.deleted_at)).scalar_subquery(),
    sa.select(sa.func.count()).where(_t.type == "flow", _t.enabled.is_(True)).scalar_subquery(),
    # Both move when a trigger is deployed; the second one also when it is switched on, and one less is in it when off.
    sa.select(sa.func.sum(_t.anchor_at)).where(_t.type == "flow").scalar_subquery(),
    sa.select(sa.func.sum(_t.high_water_at)).where(_t.type == "flow", _t.enabled.is_(True)).scalar_subquery(),
)
_NEXT = sa.select(sa.func.min(_t.next_at)).where(_t.enabled.is_(True))


@dataclass(frozen=True, slots=True)
class Definition:
    """What a flow says of one of its triggers, as far as the store must know it."""

    trigger: str
    type: str
    fingerprint: str
    disabled: bool


def get(conn: sa.Connection, namespace: str, flow: str, trigger: str) -> dict[str, Any] | None:
    """Return where a trigger stands, or None."""
    statement = sa.select(triggers).where(_t.namespace == namespace, _t.flow == flow, _t.trigger == trigger)
    row = conn.execute(statement).one_or_none()
    return None if row is None else row._asdict()


def save(conn: sa.Connection, namespace: str, flow: str, trigger: str, *, updated_at: float, **values: Any) -> None:
    """Set columns of a trigger, and keep the others; a new one is enabled."""
    there = get(conn, namespace, flow, trigger) or {
        **_DEFAULTS,
        "namespace": namespace,
        "flow": flow,
        "trigger": trigger,
    }
    _SAVE(conn, [{**there, **values, "updated_at": updated_at}])


def sync(conn: sa.Connection, namespace: str, flow: str, wanted: Sequence[Definition], *, at: float) -> None:
    """Make the triggers on record those of a flow, in the transaction that deploys or deletes it.

    One whose definition is what it was keeps its place and memory. A new or changed one counts from now: its mark is
    moved, so that nothing before this is missed; a changed one of a plugin's type keeps its memory, which is where it
    stands in its source.
    """
    there = {row["trigger"]: row for row in of_flow(conn, namespace, flow)}
    rows = []
    for one in wanted:
        row = there.pop(one.trigger, None)
        if row is not None and row["fingerprint"] == one.fingerprint:
            continue
        kept = {} if row is None else {"enabled": row["enabled"]}
        if row is not None and row["type"] == one.type and one.type not in _NO_SOURCE:
            kept["state"] = row["state"]
        rows.append(
            {**_DEFAULTS, "namespace": namespace, "flow": flow, "trigger": one.trigger, "type": one.type}
            | {"fingerprint": one.fingerprint, "anchor_at": at, "high_water_at": at, "updated_at": at}
            | {"next_at": None if one.disabled else at}
            | kept
        )
    _SAVE(conn, rows)
    if there:
        gone = (_t.namespace == namespace, _t.flow == flow, _t.trigger.in_(there))
        conn.execute(sa.delete(triggers).where(*gone))


def switch(conn: sa.Connection, namespace: str, flow: str, trigger: str, *, enabled: bool, at: float) -> bool:
    """Enable a trigger, from now on, or disable it; return whether that changed anything."""
    values: dict[str, Any] = {"enabled": enabled, "updated_at": at}
    if enabled:
        values |= {"high_water_at": at, "failures": 0, "last_error": None}
        values["next_at"] = sa.case((_t.next_at.is_(None), None), else_=at)
    where = (_t.namespace == namespace, _t.flow == flow, _t.trigger == trigger, _t.enabled.is_(not enabled))
    return conn.execute(sa.update(triggers).where(*where).values(values)).rowcount > 0


def stop(conn: sa.Connection, execution: Mapping[str, Any], trigger: str, state: str, *, at: float) -> bool:
    """Disable the trigger that started an execution, which ended in `state`, and say so in the audit trail.

    One that somebody has enabled since the execution was made stays on. Return whether it was switched off.
    """
    namespace, flow = execution["namespace"], execution["flow"]
    name = f"{namespace}/{flow}/{trigger}"
    switched = audit.last(conn, name, SWITCHED)
    if switched is not None and switched["at"] > execution["created_at"]:
        return False
    if not switch(conn, namespace, flow, trigger, enabled=False, at=at):
        return False
    audit.add(conn, STOP_AFTER, DISABLE, name, {"execution_id": execution["id"], "state": state}, at=at)
    return True


def of_flow(conn: sa.Connection, namespace: str, flow: str) -> list[dict[str, Any]]:
    """Return the triggers of a flow, by id."""
    statement = sa.select(triggers).where(_t.namespace == namespace, _t.flow == flow).order_by(_t.trigger)
    return [row._asdict() for row in conn.execute(statement)]


def every(conn: sa.Connection) -> list[dict[str, Any]]:
    """Return all triggers, by namespace, flow and id."""
    statement = sa.select(triggers).order_by(_t.namespace, _t.flow, _t.trigger)
    return [row._asdict() for row in conn.execute(statement)]


def of_type(conn: sa.Connection, type_name: str) -> list[dict[str, Any]]:
    """Return the enabled triggers of a type, with the `revision_id` of their flows."""
    statement = _REVISION.where(_t.type == type_name, _t.enabled.is_(True), _t.next_at.is_not(None))
    return [row._asdict() for row in conn.execute(statement.where(flows.c.deleted_at.is_(None)))]


def version(conn: sa.Connection) -> tuple[Any, ...]:
    """Return what is another whenever a trigger is deployed, removed, switched on or off."""
    return tuple(conn.execute(_VERSION).one())


def revision_of(conn: sa.Connection, namespace: str, flow: str, trigger: str) -> int | None:
    """Return the newest revision of a flow that has a trigger, None where there is no such trigger."""
    statement = (
        sa.select(flows.c.revision_id)
        .join(triggers, sa.and_(flows.c.namespace == _t.namespace, flows.c.id == _t.flow))
        .where(_t.namespace == namespace, _t.flow == flow, _t.trigger == trigger, flows.c.deleted_at.is_(None))
    )
    found: int | None = conn.execute(statement).scalar()
    return found


def due(conn: sa.Connection, at: float, limit: int = 2000) -> list[dict[str, Any]]:
    """Return enabled triggers whose next time has come, the first due first, with their flows' `revision_id`."""
    return [row._asdict() for row in conn.execute(_DUE, {"at": at, "limit": limit})]


def next_due(conn: sa.Connection) -> float | None:
    """Return the time at which the next trigger must be looked at, or None."""
    found: float | None = conn.execute(_NEXT).scalar()
    return found


def move(conn: sa.Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Write where triggers stand after they were evaluated: the columns `STANDING`, the others stay.

    A trigger whose `fingerprint` is another by now is left alone.
    """
    _MOVE(conn, rows)


def remember(conn: sa.Connection, row: dict[str, Any], state: dict[str, Any] | None) -> bool:
    """Write a trigger's memory, unless it was removed, disabled or defined anew since `row`; return whether it was."""
    where = (_t.namespace == row["namespace"], _t.flow == row["flow"], _t.trigger == row["trigger"])
    same = (_t.fingerprint == row["fingerprint"], _t.enabled.is_(True), _t.next_at.is_not(None))
    return conn.execute(sa.update(triggers).where(*where, *same).values(state=state)).rowcount > 0


# --- firings


def fire(conn: sa.Connection, rows: Sequence[dict[str, Any]]) -> set[str]:
    """Record firings (all columns of the table), and return the executions of those that had not been.

    A firing is unique by all but the execution: for one that had been nothing is to be created. `key` is the planned
    instant in UTC, or the key of the event.
    """
    _FIRE(conn, rows)
    found: set[str] = set()
    for start in range(0, len(rows), 500):
        keys = [tuple(row[name] for name in (*_KEY, "kind", "key")) for row in rows[start : start + 500]]
        firing = sa.tuple_(_f.namespace, _f.flow, _f.trigger, _f.kind, _f.key)
        found |= set(conn.scalars(sa.select(_f.execution_id).where(firing.in_(keys))))
    return found & {row["execution_id"] for row in rows}


def execution_of(conn: sa.Connection, row: dict[str, Any], kind: str, key: str) -> str | None:
    """Return the execution that a firing of a trigger made, None where there was none."""
    where = [_f[name] == row[name] for name in _KEY]
    found: str | None = conn.execute(sa.select(_f.execution_id).where(*where, _f.kind == kind, _f.key == key)).scalar()
    return found


def fired_keys(conn: sa.Connection, namespace: str, flow: str, trigger: str, keys: Sequence[str]) -> dict[str, str]:
    """Return which of `keys` have been fired, by schedule or backfill: key to the state of the newest execution.

    An execution that was purged has the state "".
    """
    found: dict[str, str] = {}
    for start in range(0, len(keys), 500):
        statement = (
            sa.select(_f.key, _e.state)
            .outerjoin(executions, _e.id == _f.execution_id)
            .where(_f.namespace == namespace, _f.flow == flow, _f.trigger == trigger)
            .where(sa.func.substr(_f.key, 1, _STAMP).in_(keys[start : start + 500]))
            .order_by(_f.created_at)
        )
        found |= {row.key[:_STAMP]: row.state or "" for row in conn.execute(statement)}
    return found


_STAMP = 20
"""The length of an instant as a key, `2026-11-27T02:00:00Z`; what a person repeats has more behind it."""
