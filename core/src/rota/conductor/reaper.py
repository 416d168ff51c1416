"""The reaper as the conductor sees it: a process that ends our child programs should we die."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import rota
from rota.errors import RotaError
from rota.executions.process_table import kill_group, process_alive

__all__ = ["Reaper", "kill_group", "process_alive"]

_BOOT = "import sys; sys.path.append(sys.argv[1]); from rota.conductor.reaper_main import main; main(sys.argv[2:])"
_KEPT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class Reaper:
    """One per conductor, started before the first child program; safe for threads.

    It knows of a program before that is started: what runs in between carries the mark, and is found
    by it. Should the reaper itself be killed, the next call starts another one that knows the same.
    """

    def __init__(self, *, grace: float = 2.0) -> None:
        """`grace` is how many seconds after our death the programs have between SIGTERM and SIGKILL."""
        self._grace = grace
        self._token = secrets.token_hex(8)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe = -1
        self._count = 0
        self._known: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The reaper's process id, None before the first child program."""
        return None if self._process is None else self._process.pid

    def expect(self) -> str:
        """Announce a program that is about to start, and return the mark for its environment.

        Raises RotaError when the reaper cannot be started: then no program may be, either.
        """
        with self._lock:
            self._count += 1
            mark = f"{self._token}.{self._count}"
            self._known[mark] = ""
            try:
                self._write(f"+ {mark}\n")
            except RotaError:
                del self._known[mark]
                raise
            return mark

    def register(self, mark: str, pid: int, start_time: str) -> None:
        """Say which process, which leads its group, has got the mark."""
        with self._lock:
            line = f"= {mark} {pid} {start_time.partition('.')[0] or '?'}\n"
            self._known[mark] = line
            self._write(line)

    def sweep(self, mark: str, pid: int, grace: float) -> None:
        """Have everything ended that carries the mark outside the group of `pid`; does not wait for it."""
        with self._lock:
            self._write(f"~ {mark} {pid} {grace}\n")

    def release(self, mark: str) -> None:
        """Say that the program has ended, or has never started."""
        with self._lock:
            if self._known.pop(mark, None) is not None:
                # A reaper that cannot be had is told of by the next `expect`, not by the end of a program.
                with contextlib.suppress(RotaError):
                    self._write(f"- {mark}\n")

    def close(self) -> None:
        """End the reaper, and with it every program that was not released."""
        with self._lock:
            process, self._process = self._process, None
            if process is not None:
                os.close(self._pipe)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(self._grace + 30)

    def _write(self, line: str) -> None:
        """Send a line; with no reaper there yet, or no more, start one and tell it all that is known."""
        if self._process is not None:
            try:
                os.write(self._pipe, line.encode())
            except BrokenPipeError:
                self._process_ended()
            else:
                return
        self._start()
        told = [f"+ {mark}\n{registered}" for mark, registered in self._known.items()]
        if line[0] == "~":
            told.append(line)
        try:
            for text in told:
                os.write(self._pipe, text.encode())
        except BrokenPipeError:
            raise self._failure(f"it ended at once, with exit code {self._process_ended()}") from None

    def _start(self) -> None:
        source = str(Path(rota.__file__).parent.parent)
        argv = [sys.executable, "-I", "-S", "-c", _BOOT, source, str(os.getpid()), str(self._grace)]
        read, write = os.pipe()
        # Whoever stops a whole service at once (systemd, a terminal) must not stop the reaper before us. It inherits
        # the mask of this thread, so there is no moment at which it listens.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
        try:
            self._process = subprocess.Popen(
                argv,
                stdin=read,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                # Not our environment: what is marked to be ended with us must not include the reaper.
                env={name: os.environ[name] for name in _KEPT if name in os.environ},
                start_new_session=True,
            )
        except OSError as error:
            os.close(write)
            raise self._failure((error.strerror or str(error)).lower()) from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            os.close(read)
        self._pipe = write

    def _process_ended(self) -> int:
        assert self._process is not None
        process, self._process = self._process, None
        os.close(self._pipe)
        return process.wait()

    def _failure(self, reason: str) -> RotaError:
        return RotaError(
            f"cannot start the reaper, `{sys.executable} -I -S`: {reason}",
            hint="without it programs would outlive a server that is killed, so none is started",
        )
