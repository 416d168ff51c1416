"""Sees whether the disks of this server fill up."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

from rota.store import Connection, conditions

LEFT = 5 << 30
PART = 0.05
"""A disk fills when less than so many bytes and less than this part of it are free."""
AGAIN = 1.2
"""It is well again with so many times as much: not at the next byte."""
EVERY = 60.0
"""Seconds between two looks."""

Usage = Callable[[Path], tuple[int, int]]
"""Gives the size of a disk and what is free, in bytes."""


def usage_of(path: Path) -> tuple[int, int]:
    """Return the size of the disk that holds `path`, and what is free on it."""
    while not path.exists() and path != path.parent:
        path = path.parent
    found = shutil.disk_usage(path)
    return found.total, found.free


class Disks:
    """Looks at the disks below some folders now and then."""

    def __init__(self, folders: Iterable[Path], usage: Usage = usage_of) -> None:
        self._folders = list(dict.fromkeys(folders))
        self._usage = usage
        self._full: dict[Path, bool] = {}
        self._look_at = 0.0

    def look(self, now: float) -> list[Callable[[Connection], object]]:
        """Return what is to be written, once in a while: that a disk fills, or does no more."""
        if now < self._look_at:
            return []
        self._look_at = now + EVERY
        writes = []
        for folder in self._folders:
            try:
                total, free = self._usage(folder)
            except OSError:
                continue
            before = self._full.get(folder)
            full = _is_full(total, free, AGAIN if before else 1.0)
            if full != before:
                writes.append(_write(folder, total, free, full, now))
            self._full[folder] = full
        return writes

    def look_again(self) -> None:
        """Write anew what was found: it did not get onto the disk."""
        self._full.clear()
        self._look_at = 0.0


def _is_full(total: int, free: int, factor: float) -> bool:
    return free < LEFT * factor and free < total * PART * factor


def _write(folder: Path, total: int, free: int, full: bool, now: float) -> Callable[[Connection], object]:
    subject = f"{socket.gethostname()}:{folder}"
    if not full:
        return lambda conn: conditions.clear(conn, "disk", subject, at=now)
    left = f"{free / (1 << 20):,.0f} MiB of {total / (1 << 30):,.1f} GiB"
    message = f"the disk of `{subject}` fills up\n{left} are free; make room, or run `rota purge`"
    return lambda conn: conditions.raise_(conn, "disk", subject, message, at=now)
