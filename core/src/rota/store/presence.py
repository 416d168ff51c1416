"""Whether a conductor lives, where the store is a file: an operating system's lock, freed by the kernel at death."""

from __future__ import annotations

import contextlib
from pathlib import Path

from filelock import FileLock, Timeout


class Presence:
    """A held lock: while it is, nobody takes its conductor for dead."""

    def __init__(self, lock: FileLock) -> None:
        self._lock = lock

    def release(self) -> None:
        """Let go of it, and remove its file."""
        with contextlib.suppress(OSError):
            Path(self._lock.lock_file).unlink()
        self._lock.release()


def claim(database: Path, conductor_id: str) -> Presence | None:
    """Hold the lock of a conductor, one's own at the start or that of a dead one; None if somebody else holds it."""
    folder = database.with_name(f"{database.name}-conductors")
    folder.mkdir(mode=0o700, exist_ok=True)
    lock = FileLock(folder / f"{conductor_id}.lock", mode=0o600, thread_local=False)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    return Presence(lock)
