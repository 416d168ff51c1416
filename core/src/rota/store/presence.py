"""Whether a conductor lives, where the store is a file: an operating system's lock, freed by the kernel at death."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path


class Presence:
    """A held lock: while it is, nobody takes its conductor for dead. Children of this process do not inherit it."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path, self._descriptor = path, descriptor

    def release(self) -> None:
        """Let go of it, and remove its file."""
        if self._descriptor >= 0:
            self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = -1


def claim(database: Path, conductor_id: str) -> Presence | None:
    """Hold the lock of a conductor, one's own at the start or that of a dead one; None if somebody else holds it."""
    folder = database.with_name(f"{database.name}-conductors")
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{conductor_id}.lock"
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                return None
            raise
        # Whoever held it may have removed the file in between: a lock on that is worth nothing.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return Presence(path, descriptor)
        os.close(descriptor)
