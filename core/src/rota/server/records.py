"""Rows as people and programs get to see them: stable keys, times in ISO 8601 (UTC), secrets as `***`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rota.context import Artifact
from rota.executions.values import plain, unsealed

Row = Mapping[str, Any]
Record = dict[str, Any]
HIDDEN = "***"


def execution(row: Row) -> Record:
    """Return an execution: `id, namespace, flow, state, run, problem, labels, trigger, author, times, duration`.

    A whole row has `inputs` and `outputs` too; one of a list has not.
    """
    record = _some(row, "id", "namespace", "flow", "state", "run")
    record |= {
        "problem": row["problem"],
        "labels": row["labels"] or {},
        "trigger": public(row["trigger"]),
        "author": row["author"] or "",
        "parent": row["parent_id"],
        "created_at": iso(row["created_at"]),
        **_times(row),
    }
    return record | {name: public(row[name]) or {} for name in ("inputs", "outputs") if name in row}


def task_run(row: Row) -> Record:
    """Return a task run: `task_run, task, path, type, state, attempt, problem, progress, times, duration`."""
    return {
        "task_run": name_of(row),
        "task": row["node"],
        **_some(row, "path", "type", "state", "attempt", "problem", "progress"),
        **_times(row),
    }


def attempt(row: Row) -> Record:
    """Return an earlier attempt of a task run: `task_run, attempt, state, problem, times, duration`."""
    return {"task_run": name_of(row), **_some(row, "attempt", "state", "problem"), **_times(row)}


def iteration(row: Row) -> Record:
    """Return an iteration or target: `task_run, key, index, state, problem, times, duration`."""
    return {
        "task_run": name_of(row),
        "key": row["key"],
        "index": row["idx"],
        **_some(row, "state", "problem"),
        **_times(row),
    }


def log_line(row: Row) -> Record:
    """Return a log line: `at, task_run, attempt, level, message, fields`."""
    return {
        "at": iso(row["at"]),
        "task_run": name_of(row),
        **_some(row, "attempt", "level", "message"),
        "fields": row["fields"] or {},
    }


def flow(row: Row) -> Record:
    """Return a deployed flow: `namespace, id, revision, disabled, files, author, created_at, updated_at`."""
    return {
        "namespace": row["namespace"],
        "id": row["id"],
        "revision": row["number"],
        "disabled": bool(row["disabled"]),
        "files": sorted(row["files"]),
        "author": row["author"],
        "created_at": iso(row["created_at"]),
        "updated_at": iso(row["updated_at"]),
    }


def revision(row: Row) -> Record:
    """Return a revision of a flow: `revision, author, checksum, files, created_at`."""
    return {
        "revision": row["number"],
        **_some(row, "author", "checksum"),
        "files": sorted(row["files"]),
        "created_at": iso(row["created_at"]),
    }


def lock(row: Row) -> Record:
    """Return a request for a lock: `id, key, held, execution, namespace, flow, task_run, asked_at, granted_at`."""
    return {
        **_some(row, "id", "key"),
        "held": bool(row["held"]),
        "execution": row["execution_id"],
        **_some(row, "namespace", "flow"),
        "task_run": name_of(row),
        "asked_at": iso(row["asked_at"]),
        "granted_at": iso(row["granted_at"]),
    }


def value(row: Row) -> Record:
    """Return a key of a namespace: `key, value, updated_at, expires_at`."""
    return {
        "key": row["key"],
        "value": public(row["value"]),
        "updated_at": iso(row["updated_at"]),
        "expires_at": iso(row["expires_at"]),
    }


def name_of(row: Row) -> str:
    """Return the name of a task run: `backup[db-17]/dump`."""
    return f"{row['path']}/{row['node']}" if row["path"] else str(row["node"])


def public(found: Any) -> Any:
    """Return a stored value as plain JSON values: secrets as `***`, artifacts as what is known of them."""
    return _shown(unsealed(found, lambda _: HIDDEN))


def iso(at: float | None) -> str | None:
    """Return a time of the store (seconds since 1970) as ISO 8601 text in UTC."""
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def duration(row: Row) -> float | None:
    """Return how many seconds something took, or None where it has not ended."""
    started, ended = row["started_at"], row["ended_at"]
    return None if started is None or ended is None else round(max(0.0, ended - started), 3)


def _times(row: Row) -> Record:
    return {"started_at": iso(row["started_at"]), "ended_at": iso(row["ended_at"]), "duration": duration(row)}


def _some(row: Row, *names: str) -> Record:
    return {name: row[name] for name in names}


def _shown(found: Any) -> Any:
    found = plain(found)
    if isinstance(found, dict):
        return {key: _shown(item) for key, item in found.items()}
    if isinstance(found, list):
        return [_shown(item) for item in found]
    if isinstance(found, Artifact):
        return asdict(found)
    return HIDDEN if type(found).__name__.startswith("Secret") else found
