"""Private files of a run of Ansible: in memory where the system has such a place, gone at its end, whoever dies."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rota import Context

MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of ours with mode 0700 is made in it
_PREFIX, _LOCK = "rota-ansible-", "lock"
_YOUNG = 60.0
"""Seconds in which a folder without a lock may still get one."""


@contextmanager
def private_folder(ctx: Context) -> Iterator[Path]:
    """Give a folder for what Ansible must read from files, secrets too. Those of processes that died are removed."""
    place = MEMORY if os.access(MEMORY, os.W_OK) else ctx.workdir
    _sweep(place)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
    try:
        with (folder / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # the kernel frees it when this process dies
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def private_file(path: Path, text: str) -> Iterator[Path]:
    """Write a file that nobody else can read, and remove it at the end."""
    path.unlink(missing_ok=True)  # an attempt that was killed may have left it
    try:
        write_private(path, text)
        yield path
    finally:
        path.unlink(missing_ok=True)


def write_private(path: Path, text: str) -> None:
    """Make a file of mode 0600, with its folder. Raises FileExistsError."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        file.write(text)


def _sweep(place: Path) -> None:
    for folder in place.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # it is another's, or went meanwhile
            if folder.stat().st_uid == os.getuid() and _is_left(folder):
                shutil.rmtree(folder, ignore_errors=True)


def _is_left(folder: Path) -> bool:
    if not (folder / _LOCK).exists():
        return time.time() - folder.stat().st_mtime > _YOUNG
    with (folder / _LOCK).open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
