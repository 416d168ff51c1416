"""Alerts as people and programs get to see them: stable keys, times in ISO 8601 (UTC), nothing of a sink but its id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rota.server.records import iso

Row = Mapping[str, Any]
Record = dict[str, Any]


def incident(row: Row) -> Record:
    """Return an alert with its deliveries, as `rota alerts list --json` prints it."""
    error = row["details"].get("error") or {}
    return {
        **_some(row, "id", "rule", "kind", "key", "namespace", "flow"),
        "execution": row["execution_id"],
        **_some(row, "state", "severity"),
        "title": row["details"].get("what", ""),
        "error": error.get("message") or "",
        "labels": row["labels"] or {},
        "count": row["count"],
        **_times(row, "opened_at", "last_at", "closed_at"),
        "silence": row["silence_id"],
        "deliveries": [delivery(one) for one in row["deliveries"]],
    }


def delivery(row: Row) -> Record:
    """Return one message to one sink: `id, sink, state, title, attempts, error, times, merged_into`."""
    return {
        **_some(row, "id", "sink", "state"),
        "title": row["alert"]["title"],
        "attempts": row["attempts"],
        "error": row["last_error"] or "",
        **_times(row, "created_at", "sent_at", "next_at"),
        "merged_into": row["merged_into"],
    }


def message(row: Row) -> Record:
    """Return one message with its text, and the ids of the alerts that it tells of."""
    told = {name: row["alert"][name] for name in ("title", "text", "severity")}
    return {**delivery(row), **told, "alerts": [one["id"] for one in row["incidents"]]}


def silence(row: Row) -> Record:
    """Return a silence: `id, namespace, flow, rule, kind, labels, starts_at, ends_at, reason, author`."""
    return {
        **_some(row, "id", "namespace", "flow", "rule", "kind"),
        "labels": row["labels"] or {},
        **_times(row, "starts_at", "ends_at"),
        **_some(row, "reason", "author"),
    }


def _some(row: Row, *names: str) -> Record:
    return {name: row[name] for name in names}


def _times(row: Row, *names: str) -> Record:
    return {name: iso(row[name]) for name in names}
