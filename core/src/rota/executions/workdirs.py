"""Work folders: one for each attempt of a task run, with the flow's files in it, gone after it."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

from rota.errors import TaskFailed
from rota.executions.view import ExecutionView


def make(execution: ExecutionView, task_run_id: str, attempt: int) -> Path:
    """Make the work folder of an attempt and put the flow's files into it, read-only."""
    name = hashlib.sha256(task_run_id.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    safe = "".join(char if char.isascii() and (char.isalnum() or char in "._-") else "_" for char in task_run_id)
    folder = _top(execution) / execution.id / f"{safe[:80]}-{name}-{attempt}"
    if folder.exists():  # left behind when a server died
        remove(folder)
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    if execution.run_as is not None:
        folder.parent.chmod(0o711)
    for file, data in execution.files.items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o500 if data.startswith(b"#!") else 0o400)
    return folder


def remove(folder: Path) -> None:
    """Remove a work folder, and the execution's own once its last task run is gone."""
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        folder.parent.rmdir()


def remove_left_behind(execution: ExecutionView) -> None:
    """Remove what is left of an execution's work folders: those of tasks whose server died."""
    top = execution.workdir if execution.run_as is None or os.geteuid() != 0 else _shared(execution)
    folder = top / execution.id
    if folder.exists():
        threading.Thread(target=shutil.rmtree, args=(folder, True), name="rota-workdirs", daemon=True).start()


def give_to(folder: Path, user: str) -> None:
    """Make everything in `folder` the property of another user, whose programs are to run there.

    Raises TaskFailed when this process may not.
    """
    from rota.executions.processes.spawning import find_account

    account = find_account(user)
    if account is None:
        return
    try:
        os.chown(folder, account.uid, account.gid)
        for top, folders, files in os.walk(folder):
            for name in (*folders, *files):
                os.chown(os.path.join(top, name), account.uid, account.gid, follow_symlinks=False)  # noqa: PTH118
    except OSError as error:
        raise TaskFailed(f"the work folder cannot be given to user `{user}`: {error.strerror}", False) from None


def _top(execution: ExecutionView) -> Path:
    """Where the work folders are: at home, or where another user gets to, who may not pass through there."""
    if execution.run_as is None or os.geteuid() != 0:
        return execution.workdir
    top = _shared(execution)
    top.mkdir(mode=0o711, exist_ok=True)
    found = top.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0 or found.st_mode & 0o022:
        raise TaskFailed(f"`{top}` belongs to somebody else", False, hint="remove it")
    top.chmod(0o711)
    return top


def _shared(execution: ExecutionView) -> Path:
    own = hashlib.sha256(str(execution.workdir).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"rota-work-{own}"
