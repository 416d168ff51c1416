"""Runs one server in a process group of its own and ends that group when the parent closes its pipe, or dies.

A program on its own, standard library only. Standard input gives one line of JSON, what to run, and is then the pipe
whose closing ends everything; standard output gets one line of JSON, `{"pid": N}` or `{"error": "..."}`; standard error
is the server's log.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def main() -> int:
    """Start the server that the first line asks for, wait for its end or the parent's, leave nothing behind."""
    order: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    _adopt_orphans()
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    try:
        server = _spawn(order)
    except (OSError, ValueError, LookupError) as error:
        _report({"error": str(error)})
        return 1
    _report({"pid": server.pid})
    if not _wait_for_exit(server.pid, wake_read):
        _end(server.pid, signal.Signals(order["stop_signal"]), float(order["grace"]))
        asked = True
    else:
        asked = False
    _kill_group(server.pid)
    server.wait()
    _kill_orphans()
    if asked and order.get("remove"):
        shutil.rmtree(order["remove"], ignore_errors=True)
    return 0


def _adopt_orphans() -> None:
    """Make what the server's children leave behind children of this process, where the system can (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def _kill_orphans() -> None:
    """Kill and reap the processes that left the server's group, such as a command's daemon on a lab host."""
    with contextlib.suppress(ChildProcessError, OSError):
        while True:
            for pid in _children():
                os.kill(pid, signal.SIGKILL)
            os.wait()


def _children() -> list[int]:
    path = Path(f"/proc/self/task/{os.getpid()}/children")
    return [int(pid) for pid in path.read_text().split()]


def _spawn(order: dict[str, Any]) -> subprocess.Popen[bytes]:
    user: dict[str, Any] = {}
    if order.get("user"):
        uid, gid = order["user"]
        user = {"user": uid, "group": gid, "extra_groups": []}
    return subprocess.Popen(
        order["argv"],
        cwd=order["cwd"],
        env=order["env"],
        stdin=subprocess.DEVNULL,
        stdout=2,
        stderr=2,
        start_new_session=True,
        **user,
    )


def _report(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def _has_exited(pid: int) -> bool:
    """Return whether `pid` has ended, and leave it a zombie so that its number cannot be given to another process."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _wait_for_exit(pid: int, wake: int) -> bool:
    """Return True when the server ended by itself, False when it has to be ended."""
    while not _has_exited(pid):
        readable, _, _ = select.select([0, wake], [], [])
        if 0 in readable and not os.read(0, 1024):
            return _has_exited(pid)
        if wake in readable and any(number != signal.SIGCHLD for number in os.read(wake, 1024)):
            return _has_exited(pid)
    return True


def _end(pid: int, stop_signal: signal.Signals, grace: float) -> None:
    deadline = time.monotonic() + grace
    os.killpg(pid, stop_signal)
    while not _has_exited(pid) and time.monotonic() < deadline:
        time.sleep(0.005)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
