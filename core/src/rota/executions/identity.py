"""Ids of executions: unique, and in the order of creation as text."""

from __future__ import annotations

import os
import time


def new_execution_id() -> str:
    """Return a new id: 32 hex characters, the time first (the layout of UUID version 7, RFC 9562)."""
    stamp = time.time_ns() // 1_000_000
    noise = int.from_bytes(os.urandom(10), "big")
    value = (stamp << 80) | (0x7 << 76) | ((noise >> 68) & 0xFFF) << 64 | (0b10 << 62) | (noise & ((1 << 62) - 1))
    return f"{value:032x}"
