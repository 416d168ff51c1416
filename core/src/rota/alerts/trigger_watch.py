"""Sees what triggers did not do: start in time, or work at all; and what they started that no server takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rota.alerts.occurrences import Occurrence
from rota.alerts.wording import first_line
from rota.store import promises

if TYPE_CHECKING:
    from rota.store import Store

LATE = 300.0
"""Seconds after its date at which a schedule has not started, and an execution that nobody took is not under way."""
FAILURES = 3
"""So many failures in a row, and people are told of a trigger."""


class TriggerWatch:
    """Looks at the triggers of deployed flows, and at what they started."""

    kinds: tuple[str, ...] = ("schedule", "trigger")

    def __init__(self, store: Store) -> None:
        self._store = store

    def look(self, now: float) -> list[Occurrence]:
        """Return the triggers that are late or fail, and the executions that wait for a server."""
        with self._store.read() as conn:
            late = promises.late_schedules(conn, now - LATE)
            failing = promises.failing_triggers(conn, FAILURES)
            untaken = promises.untaken(conn, now - LATE)
        found = [_late(row) for row in late]
        found += [_failing(row) for row in failing]
        return [*found, *_untaken(untaken)]


def _late(row: dict[str, Any]) -> Occurrence:
    name = f"{row['namespace']}/{row['flow']}"
    what = f"schedule `{row['trigger']}` of {name} did not start"
    error = {"message": row["last_error"]} if row["last_error"] else {}
    look = f"rota triggers show {name} {row['trigger']}"
    return _occurrence("schedule", f"{name} {row['trigger']} late", what, row, row["next_at"], error=error, look=look)


def _failing(row: dict[str, Any]) -> Occurrence:
    name = f"{row['namespace']}/{row['flow']}"
    what = f"trigger `{row['trigger']}` of {name} keeps failing"
    error = {"message": first_line(row["last_error"] or "")}
    look = f"rota triggers show {name} {row['trigger']}"
    return _occurrence("trigger", f"{name} {row['trigger']}", what, row, row["updated_at"], error=error, look=look)


def _untaken(rows: list[dict[str, Any]]) -> Iterator[Occurrence]:
    """Yield one for each flow: the oldest execution stands for all."""
    seen = set()
    for row in rows:
        name = f"{row['namespace']}/{row['flow']}"
        if name not in seen:
            seen.add(name)
            what = f"{name} was to start, and no server takes it"
            yield _occurrence("schedule", f"{name} untaken", what, row, row["created_at"], execution_id=row["id"])


def _occurrence(
    kind: str,
    key: str,
    what: str,
    row: dict[str, Any],
    at: float,
    **more: Any,
) -> Occurrence:
    return Occurrence(
        kind,
        key,
        what,
        at,
        state=kind,
        watched=TriggerWatch.__name__,
        namespace=row["namespace"],
        flow=row["flow"],
        revision_id=row["revision_id"],
        labels=row.get("labels") or {},
        **more,
    )
