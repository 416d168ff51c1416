"""The conversation with one running child program: its input, its outputs, its exit, its end by force.

One thread waits for all of them at once (poll), so nothing is polled for while the program runs and
a cancel is acted on at once.
"""

from __future__ import annotations

import fcntl
import io
import math
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import IO, Self

from rota.errors import TaskFailed
from rota.executions.process_table import group_alive
from rota.executions.processes.feeding import Feeder, shared_descriptor
from rota.executions.processes.outputs import Outputs
from rota.executions.processes.wakeup import Wakeup

_CHUNK = 64 * 1024
"""How many bytes are read or written at once; larger pieces leave the processor's cache and are slower."""
_PIPE = 256 * 1024
_QUIET = 0.5
"""How many seconds what a program left behind may be silent before it is ended."""
_STUCK = 10.0
_BUFFERS = (bytes, bytearray, memoryview)


class Exchange:
    """Holds the pipes of one child program; used as `with`, then `child_ends`, `attach`, `run`.

    Leaving the block by an exception kills the program's group. `on_terminate` is called on cancel.
    """

    def __init__(self, stdin: bytes | IO[bytes] | None, outputs: Outputs, wakeup: Wakeup, grace: float) -> None:
        self.on_terminate: Callable[[], object] | None = None
        self.terminated = False
        content = stdin.read() if isinstance(stdin, io.BytesIO) else stdin
        self._source = None if content is None or isinstance(content, _BUFFERS) else content
        self._unsent = memoryview(content if isinstance(content, _BUFFERS) else b"").cast("B")
        self._outputs = outputs
        self._wakeup = wakeup
        self._grace = grace
        self._ours: set[int] = set()
        self._theirs: set[int] = set()
        self._handlers: dict[int, Callable[[], bool]] = {}
        self._readers: set[int] = set()
        self._poller = select.poll()
        self._feeder: Feeder | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._in = self._out = self._err = self._exit_end = -1
        self._exit_wakeup: Wakeup | None = None
        self._exited = False
        self._group_gone = False
        self._killed = False
        self._kill_at: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child is not None and value is not None:
            if self._child.returncode is None or self._group_left():
                self._signal(signal.SIGKILL)
            self._child.wait()
        if self._feeder is not None:
            self._feeder.stop()
        if self._exit_wakeup is not None:
            self._exit_wakeup.close()
        for descriptor in self._ours | self._theirs:
            os.close(descriptor)

    def child_ends(self) -> dict[str, int]:
        """Open the pipes and return the child's three descriptors by name."""
        ends = {"stdin": self._open_input()}
        self._out, ends["stdout"] = self._open_output(_PIPE)
        self._err, ends["stderr"] = self._open_output(0)
        return ends

    def attach(self, child: subprocess.Popen[bytes]) -> None:
        """Take over the child that got our `child_ends`."""
        self._child = child
        while self._theirs:
            os.close(self._theirs.pop())
        self._watch(self._wakeup.fileno(), self._woken)
        self._watch(self._exit_descriptor(child), self._ended)
        for stream, descriptor in (("stdout", self._out), ("stderr", self._err)):
            self._watch(descriptor, self._reader(descriptor, self._outputs.receiver(stream)))
            self._readers.add(descriptor)
        self._start_feeding()

    def run(self) -> int:
        """Serve the child to its end and return its exit code; nothing of its group is left after that."""
        assert self._child is not None
        while not self._exited:
            self._step(None)
        code = self._child.wait()
        self._check_input()  # it may have ended at once, content with what there was
        self._linger()
        self._end_group()
        self._drain()
        self._outputs.finish()
        return code

    # Waiting.

    def _step(self, until: float | None) -> bool:
        """Wait for something to happen, at most until then, and handle it; return whether output came."""
        moments = [moment for moment in (until, None if self._killed else self._kill_at) if moment is not None]
        timeout = max(0, math.ceil((min(moments) - time.monotonic()) * 1000)) if moments else None
        read = False
        for descriptor, _ in self._poller.poll(timeout):
            handler = self._handlers.get(descriptor)
            read = (handler is not None and handler()) or read
        if self._kill_at is not None and not self._killed and time.monotonic() >= self._kill_at:
            self._killed = True
            self._signal(signal.SIGKILL)
        return read

    def _linger(self) -> None:
        """Give what the program left behind the time to finish: a `tee` still has to write what it read."""
        now = time.monotonic()
        end, quiet, pause = now + self._grace, now + _QUIET, 0.005
        while (self._readers or self._group_left()) and self._kill_at is None and now < min(end, quiet):
            # With pipes open their end will wake us, so the group is looked at only without.
            wake = min(end, quiet) if self._readers else now + pause
            read = self._step(wake)
            now, pause = time.monotonic(), min(pause * 2, 0.1)
            quiet = now + _QUIET if read else quiet

    def _end_group(self) -> None:
        pause = 0.005
        if not self._group_left():
            return
        self._terminate()
        assert self._kill_at is not None
        while self._group_left() and (now := time.monotonic()) < self._kill_at + _STUCK:
            self._step(now + pause)
            pause = min(pause * 2, 0.1)

    def _group_left(self) -> bool:
        """Return whether the group has members; once it had none its number may be another's."""
        assert self._child is not None
        if not self._group_gone:
            self._group_gone = not group_alive(self._child.pid)
        return not self._group_gone

    def _drain(self) -> None:
        """Read what is in the pipes and no more: somebody outside the group may hold and fill them for ever."""
        for descriptor in list(self._readers):
            handler = self._handlers[descriptor]
            for _ in range(16):
                if descriptor not in self._readers or not handler():
                    break

    # What may happen.

    def _woken(self) -> bool:
        self._forget(self._wakeup.fileno())
        self._check_input()
        self._terminate()
        self.terminated = True
        if self.on_terminate is not None:
            self.on_terminate()
        return False

    def _check_input(self) -> None:
        if self._feeder is not None and self._feeder.failed is not None:
            error = self._feeder.failed
            raise TaskFailed(f"cannot read what the program gets as standard input: {error}") from error

    def _ended(self) -> bool:
        self._exited = True
        self._forget(self._exit_end)
        return False

    def _reader(self, descriptor: int, receive: Callable[[bytes], None]) -> Callable[[], bool]:
        def read() -> bool:
            try:
                data = os.read(descriptor, _CHUNK)
            except BlockingIOError:
                return False
            if data:
                receive(data)
                return True
            self._readers.discard(descriptor)
            self._close(descriptor)
            return False

        return read

    def _send(self) -> bool:
        try:
            self._unsent = self._unsent[os.write(self._in, self._unsent[:_CHUNK]) :]
        except BlockingIOError:
            return False
        except BrokenPipeError:
            self._unsent = self._unsent[:0]
        if not self._unsent:
            self._close(self._in)
        return False

    # Ending by force.

    def _terminate(self) -> None:
        if self._kill_at is None:
            self._kill_at = time.monotonic() + self._grace
            self._signal(signal.SIGTERM)
            # A stopped process does not see its SIGTERM before it goes on.
            self._signal(signal.SIGCONT)

    def _signal(self, number: int) -> None:
        assert self._child is not None
        if not self._group_gone:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._child.pid, number)

    # Descriptors.

    def _open_input(self) -> int:
        if self._source is not None and (shared := shared_descriptor(self._source)) is not None:
            self._source = None
            return shared
        if self._source is None and not self._unsent:
            return subprocess.DEVNULL
        theirs, self._in = os.pipe()
        self._theirs.add(theirs)
        self._ours.add(self._in)
        os.set_blocking(self._in, False)
        return theirs

    def _open_output(self, size: int) -> tuple[int, int]:
        ours, theirs = os.pipe()
        self._ours.add(ours)
        self._theirs.add(theirs)
        os.set_blocking(ours, False)
        if size and hasattr(fcntl, "F_SETPIPE_SZ"):
            # Fewer switches between the program and us; refused where the user has too many large pipes.
            with suppress(OSError):
                fcntl.fcntl(ours, fcntl.F_SETPIPE_SZ, size)
        return ours, theirs

    def _start_feeding(self) -> None:
        if self._source is not None:
            self._ours.discard(self._in)
            self._feeder = Feeder(self._source, self._in, self._wakeup)
        elif self._unsent:
            self._watch(self._in, self._send, select.POLLOUT)
            self._send()

    def _exit_descriptor(self, child: subprocess.Popen[bytes]) -> int:
        """Return what becomes readable when the child exits: a pidfd, or where there is none what a thread sets."""
        try:
            self._exit_end = os.pidfd_open(child.pid)
            self._ours.add(self._exit_end)
        except (AttributeError, OSError):
            exited = self._exit_wakeup = Wakeup()
            self._exit_end = exited.fileno()
            threading.Thread(target=_wait, args=(child, exited), name="exit", daemon=True).start()
        return self._exit_end

    def _watch(self, descriptor: int, handler: Callable[[], bool], event: int = select.POLLIN) -> None:
        self._handlers[descriptor] = handler
        self._poller.register(descriptor, event)

    def _forget(self, descriptor: int) -> None:
        if self._handlers.pop(descriptor, None) is not None:
            self._poller.unregister(descriptor)

    def _close(self, descriptor: int) -> None:
        self._forget(descriptor)
        self._ours.discard(descriptor)
        os.close(descriptor)


def _wait(child: subprocess.Popen[bytes], exited: Wakeup) -> None:
    child.wait()
    exited.set()
