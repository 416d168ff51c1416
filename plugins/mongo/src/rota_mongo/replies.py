"""Replies of the server without what only drivers want."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_FOR_DRIVERS = frozenset({"$clusterTime", "operationTime", "$configServerState", "$gleStats", "lastCommittedOpTime"})


def without_driver_fields(reply: Mapping[str, Any]) -> dict[str, Any]:
    """Return a command's reply without the fields that are between the server and its drivers."""
    return {name: value for name, value in reply.items() if name not in _FOR_DRIVERS}


def whole(value: Any) -> int:
    """Return a number of the server, which may be a float for a count, as a whole one; 0 where there is none."""
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0
