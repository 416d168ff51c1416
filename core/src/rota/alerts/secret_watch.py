"""Sees secrets that cannot be had while tasks are still trying: before anything fails for good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rota.alerts.occurrences import Occurrence
from rota.store import promises

if TYPE_CHECKING:
    from rota.store import Store


class SecretWatch:
    """Looks at tasks that are to be tried again because they did not get a secret."""

    kinds: tuple[str, ...] = ("secret",)

    def __init__(self, store: Store) -> None:
        self._store = store

    def look(self, now: float) -> list[Occurrence]:
        """Return one for each flow: its oldest execution stands for all."""
        with self._store.read() as conn:
            rows = promises.waiting_for_secrets(conn)
        first: dict[str, dict[str, Any]] = {}
        for row in rows:
            first.setdefault(f"{row['namespace']}/{row['flow']}", row)
        return [_waiting(name, row, now) for name, row in first.items()]


def _waiting(name: str, row: dict[str, Any], now: float) -> Occurrence:
    return Occurrence(
        "secret",
        f"{name} waits",
        f"{name} waits for a secret",
        now,
        state="secret",
        watched=SecretWatch.__name__,
        namespace=row["namespace"],
        flow=row["flow"],
        execution_id=row["id"],
        revision_id=row["revision_id"],
        labels=row["labels"] or {},
        error={"task": row["node"], **(row["problem"] or {})},
    )
