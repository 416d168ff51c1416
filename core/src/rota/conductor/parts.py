"""A batch taken apart by families of executions: what cannot be written of one of them costs the others nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rota.conductor.batch import Batch

FamilyOf = Callable[[str], str]
"""Gives the root of an execution, by their ids."""
_ROWS = ("attempts", "iterations", "ends", "logs", "metrics", "progress", "outbox")


def parts(batch: Batch, family_of: FamilyOf) -> dict[str, Batch]:
    """Return a closed batch as one batch for each family; together they write the same, each in its own order."""
    found: dict[str, Batch] = {}

    def part(of: str) -> Batch:
        return found.setdefault(of, Batch(of=of))

    for name in _ROWS:
        for row in getattr(batch, name):
            getattr(part(family_of(row["execution_id"])), name).append(row)
    for row in batch.created:
        part(row.get("root_id") or row["id"]).created.append(row)
    for line in batch.task_runs:
        part(family_of(line[0])).task_runs.append(line)
    for row in batch.executions:
        part(family_of(row["id"])).executions.append(row)
    for address, due in batch.timers.items():
        part(family_of(address[0])).timers[address] = due
    for name in ("first", "writes", "after"):
        for of, do in getattr(batch, name):
            getattr(part(of), name).add(of, do)
    for promise in batch.promises:
        part(promise[0]).promises.append(promise)
    return found


def without(batch: Batch, family: str, family_of: FamilyOf) -> list[Any]:
    """Take everything of one family out of a batch that is still open; return the futures that were promised."""
    for name in _ROWS:
        kept = [row for row in getattr(batch, name) if family_of(row["execution_id"]) != family]
        setattr(batch, name, kept)
    batch.created = [row for row in batch.created if (row.get("root_id") or row["id"]) != family]
    batch.task_runs = [line for line in batch.task_runs if family_of(line[0]) != family]
    batch.executions = [row for row in batch.executions if family_of(row["id"]) != family]
    batch.timers = {key: due for key, due in batch.timers.items() if family_of(key[0]) != family}
    for frame in [frame for frame in batch.frames if frame.live.family == family]:
        del batch.frames[frame]
    for live in [live for live in batch.changed if live.family == family]:
        del batch.changed[live]
    for steps in (batch.first, batch.writes, batch.after):
        steps.drop(family)
    promised = [future for of, future, _ in batch.promises if of == family]
    batch.promises = [promise for promise in batch.promises if promise[0] != family]
    return promised
