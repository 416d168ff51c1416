"""Rows for the tests of the store."""

from __future__ import annotations

from typing import Any


def execution(number: int, **values: Any) -> dict[str, Any]:
    """An execution that runs; its id and time of creation grow with `number`."""
    row = {
        "id": f"{number:032x}",
        "namespace": "data",
        "flow": "backup",
        "state": "running",
        "created_at": 1_000.0 + number,
    }
    return row | values


def firing(key: str, execution_id: str, *, at: float) -> dict[str, Any]:
    """A firing of the schedule `data/backup/nightly`."""
    trigger = {"namespace": "data", "flow": "backup", "trigger": "nightly", "kind": "schedule"}
    return {**trigger, "key": key, "execution_id": execution_id, "created_at": at}


def task_run(node: str, **values: Any) -> dict[str, Any]:
    """A task run of the execution number 1."""
    row: dict[str, Any] = dict.fromkeys(
        ("problem", "output", "progress", "plugin", "pid", "queued_at", "started_at", "ended_at")
    )
    row |= {"execution_id": f"{1:032x}", "path": "", "node": node, "type": "log", "state": "running", "attempt": 1}
    return row | {"round": 1, "phase": "", "data": {}} | values
