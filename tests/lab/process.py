"""Starts a server as a process of its own, waits until it answers, and ends it with everything it started."""

from __future__ import annotations

import json
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

from tests.lab.ports import PortTaken

_GUARD = Path(__file__).with_name("guard.py")
_TAKEN = ("in use", "port allocation failed")
"""What servers say of a port that somebody else has; the latter is SeaweedFS's."""


class ServerFailed(RuntimeError):
    """A server did not start, ended by itself, or did not answer in time; the message ends with its log."""


class Account:
    """An operating system account, by its numbers."""

    def __init__(self, name: str) -> None:
        entry = pwd.getpwnam(name)
        self.name, self.uid, self.gid = name, entry.pw_uid, entry.pw_gid

    @classmethod
    def unprivileged(cls) -> Account | None:
        """Return `nobody` when this process is root, for servers that refuse root; None otherwise."""
        return cls("nobody") if os.geteuid() == 0 else None


class ServerProcess:
    """A running server: `pid`, `log`, and the ways to end it.

    A small guard process stands between: it holds a pipe from this one, and when that closes (`stop`, or this process
    dies in whatever way) it ends the server's process group.
    """

    def __init__(self, name: str, guard: subprocess.Popen[bytes], pid: int, log: Path, grace: float) -> None:
        self.name, self.pid, self.log = name, pid, log
        self._guard, self._grace = guard, grace

    @classmethod
    def start(
        cls,
        argv: Sequence[str | Path],
        folder: Path,
        *,
        name: str | None = None,
        env: Mapping[str, str] | None = None,
        account: Account | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        grace: float = 10.0,
        remove: Path | None = None,
    ) -> Self:
        """Start `argv` in `folder`, its output going to the log file `NAME.log` there (default: the program's name).

        `env` is the whole environment but for PATH; `account` is who it runs as. `stop_signal` asks the server to end,
        `grace` seconds later it is killed. `remove` is a folder that goes when the server was stopped or this process
        died. Raises `ServerFailed`.
        """
        name = name or Path(argv[0]).name
        log = folder / f"{name}.log"
        order = {
            "argv": [str(part) for part in argv],
            "cwd": str(folder),
            "env": {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", **(env or {})},
            "user": [account.uid, account.gid] if account else None,
            "stop_signal": int(stop_signal),
            "grace": grace,
            "remove": str(remove) if remove else None,
        }
        with log.open("ab") as output:
            guard = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_GUARD), str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                start_new_session=True,
            )
        # Not as an argument, since the environment may hold secrets.
        _stream(guard.stdin).write(json.dumps(order).encode() + b"\n")
        _stream(guard.stdin).flush()
        report = json.loads(_stream(guard.stdout).readline() or b'{"error": "the guard process died"}')
        _stream(guard.stdout).close()
        if "error" in report:
            _stream(guard.stdin).close()
            guard.wait()
            raise ServerFailed(f"{name} did not start: {report['error']}")
        return cls(name, guard, int(report["pid"]), log, grace)

    @property
    def running(self) -> bool:
        """Whether the server still runs."""
        return self._guard.poll() is None

    def wait_until(self, ready: Callable[[], bool], timeout: float = 60.0) -> None:
        """Return when `ready()` is true; end the server and raise `ServerFailed` or `PortTaken` when that never comes.

        `timeout` is in seconds.
        """
        deadline = time.monotonic() + timeout
        try:
            while not ready():
                if not self.running:
                    raise self._failure("ended before it answered")
                if time.monotonic() > deadline:
                    raise self._failure(f"did not answer within {timeout:g} s")
                time.sleep(0.01)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End the server's process group in order, and return when it is gone; also when it is gone already."""
        _stream(self._guard.stdin).close()
        self._guard.wait(self._grace + 10)

    def kill(self) -> None:
        """Kill the server's process group at once, as a crash would."""
        self.signal(signal.SIGKILL)
        self._guard.wait(10)
        _stream(self._guard.stdin).close()

    def freeze(self) -> None:
        """Stop the server's process group, and return once the server stands still; SIGCONT lets it go on."""
        self.signal(signal.SIGSTOP)
        self.wait_until(lambda: stands_still(self.pid))

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the server's process group."""
        if self.running:
            os.killpg(self.pid, number)

    def _failure(self, what: str) -> RuntimeError:
        lines = self.log.read_text(errors="replace").splitlines()[-30:] if self.log.exists() else []
        text = "\n".join(lines)
        kind = PortTaken if any(words in text.lower() for words in _TAKEN) else ServerFailed
        return kind(f"{self.name} {what}; the end of {self.log}:\n{text}")


def stands_still(pid: int) -> bool:
    """Return whether every thread of a process is stopped.

    SIGSTOP has one thread of a process stop the others: until that one runs, on a busy machine, they go on and answer.
    """
    states = []
    # Where there is no /proc, nothing tells, and the signal alone has to do.
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(OSError):  # a thread that has ended meanwhile
            states.append(stat.read_text().rpartition(")")[2].split()[0])
    return set(states) <= {"T"}


def processes_with(text: str) -> list[str]:
    """Return the command lines of this machine's running processes that contain `text`."""
    if not Path("/proc/self/cmdline").exists():
        lines = subprocess.run(["ps", "-axo", "args="], capture_output=True, text=True, check=True).stdout.splitlines()
        return [line for line in lines if text in line]
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue  # it ended meanwhile
        if text in line:
            found.append(line)
    return found


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None
    return stream
