"""Runs a program on a host: feeds it, carries its output, and really ends it when it is told to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, NoReturn

from pydantic import SecretStr

from rota import TaskFailed
from rota_ssh.connection import Connection
from rota_ssh.failures import broken, late, lost
from rota_ssh.giving_up import give_up
from rota_ssh.launcher import Launch, Sudo, framed
from rota_ssh.lines import Marks

if TYPE_CHECKING:
    import paramiko

_BLOCK = 1 << 18
_INLINE = 16 * 1024
"""What is not longer is sent at once: it fits into the window that every server opens."""
_LINGER = 3.0
"""Seconds that an output may be silent after the program has ended, while something still holds it open."""


@dataclass(frozen=True, slots=True)
class Request:
    """What to run. `text` is for `shell` (the host's `sh`), `payload` and `stdin` are what it then reads.

    `clean_up` is shell text that removes what the program leaves when it is killed.
    """

    text: str
    shell: str = ""
    sudo: bool = False
    sudo_user: str = ""
    sudo_password: SecretStr | None = None
    payload: bytes = b""
    stdin: IO[bytes] | None = None
    clean_up: str = ""


Receive = Callable[[bytes], object]


class Program:
    """One run of a request. `group` is its process group on the host once it has started."""

    def __init__(
        self,
        connection: Connection,
        request: Request,
        stdout: Receive,
        stderr: Receive,
        *,
        stop: threading.Event | None = None,
        end_group: Callable[[int], object] = lambda _: None,
    ) -> None:
        self._connection, self._request = connection, request
        self._stop = stop or threading.Event()
        self._stdout, self._stderr = stdout, stderr
        sudo = Sudo(request.sudo_user, request.sudo_password is not None) if request.sudo else None
        self._launch = Launch(sudo=sudo, shell=request.shell)
        self._marks = Marks(self._launch)
        self._wake = _Wake()
        self._channel: paramiko.Channel | None = None
        self._asked = 0
        self._feeding: threading.Thread | None = None
        self._feed_error: Exception | None = None
        self._starting = True
        self._give_up_at: float | None = None
        self._end_group = end_group
        self.group: int | None = None
        self.stopped = False

    def wake(self) -> None:
        """Have a look at `stop` at once. Called from any thread, which does not wait."""
        self._wake.set()
        channel = self._channel
        if channel is not None and self._starting:
            give_up(channel.close)

    def run(self, doing: str = "running the command") -> int:
        """Run to the end and return the exit code, -1 where a signal ended the shell. Raises TaskFailed."""
        channel = self._channel = self._connection.session(doing)
        channel.in_buffer.set_event(self._wake)
        channel.in_stderr_buffer.set_event(self._wake)
        try:
            self._start(channel, doing)
            self._pump(channel, doing)
            return self._exit_code(channel, doing)
        except BaseException:
            # It may be ours, such as a full disk where the output goes: nothing is to run on for nobody.
            if self.group is not None and not self.stopped and self._connection.alive:
                self._end_group(self.group)
            raise
        finally:
            channel.close()
            if self._feeding is not None:
                self._feeding.join(5)

    def _start(self, channel: paramiko.Channel, doing: str) -> None:
        import paramiko

        channel.settimeout(self._connection.endpoint.operation_timeout)
        try:
            channel.exec_command(self._launch.line)
        except (paramiko.SSHException, OSError, EOFError) as error:
            if not self._connection.alive:
                raise lost(self._connection.endpoint, error, doing) from broken(error)
            raise TaskFailed(
                f"`{self._connection.endpoint.address}` runs no commands for `{self._connection.endpoint.user}`",
                retryable=False,
            ) from None
        self._starting = False
        if not self._request.sudo:
            self._feed(channel)

    def _feed(self, channel: paramiko.Channel) -> None:
        data = framed(self._request.text) + self._request.payload
        if self._request.stdin is None and len(data) <= _INLINE:
            with suppress(OSError, EOFError):
                channel.sendall(data)
                channel.shutdown_write()
            return
        channel.settimeout(None)
        self._feeding = threading.Thread(target=self._carry_in, args=(channel, data), daemon=True, name="ssh-stdin")
        self._feeding.start()

    def _carry_in(self, channel: paramiko.Channel, data: bytes) -> None:
        source = self._request.stdin
        try:
            while data:
                try:
                    channel.sendall(data)
                except (OSError, EOFError):
                    return  # the program has ended, or wants no more
                data = source.read(_BLOCK) if source is not None else b""
            with suppress(OSError, EOFError):
                channel.shutdown_write()
        except Exception as error:  # noqa: BLE001 - it is raised again by the thread that runs the program
            self._feed_error = error
            channel.close()

    def _pump(self, channel: paramiko.Channel, doing: str) -> None:
        """Carry what comes until the program has ended, and its output too."""
        started_by = time.monotonic() + self._connection.endpoint.operation_timeout
        silent_since = time.monotonic()
        while True:
            over = channel.closed or bool(channel.eof_received)
            if self._take(channel):
                silent_since = time.monotonic()
            elif over:
                break
            else:
                self._wake.wait(1.0)
            now = time.monotonic()
            if self._stop.is_set() and not self.stopped:
                self._end(channel, now)
                silent_since = now = time.monotonic()
            if self.group is None and now > started_by:
                raise late(self._connection.endpoint, doing) from TimeoutError()
            if (self.stopped or channel.exit_status_ready()) and now - silent_since > _LINGER:
                break  # something in the background holds the output open
        self._stderr(self._marks.rest())

    def _take(self, channel: paramiko.Channel) -> bool:
        found = False
        if channel.recv_ready():
            self._stdout(channel.recv(_BLOCK))
            found = True
        if channel.recv_stderr_ready():
            data, marks = self._marks.add(channel.recv_stderr(_BLOCK))
            for mark in marks:
                self._answer(channel, mark)
            self._stderr(data)
            found = True
        return found

    def _answer(self, channel: paramiko.Channel, mark: str) -> None:
        """Do what the launcher asks for: sudo's password, or the command."""
        if mark.startswith("started:"):
            self.group = int(mark.partition(":")[2])
            if self._request.sudo:
                self._feed(channel)
            return
        self._asked += 1
        if self._asked > 1 or self._request.sudo_password is None:
            raise TaskFailed(
                f"sudo on `{self._connection.endpoint.address}` does not take the password of"
                f" `{self._connection.endpoint.user}`",
                retryable=False,
            )
        with suppress(OSError, EOFError):
            channel.sendall(self._request.sudo_password.get_secret_value().encode() + b"\n")

    def _end(self, channel: paramiko.Channel, now: float) -> None:
        """End the process group; a program that has not told its group yet is waited for a moment."""
        self._give_up_at = self._give_up_at or now + _LINGER
        if self.group is not None:
            self.stopped = True
            self._end_group(self.group)
        elif now > self._give_up_at or self._request.sudo:
            self.stopped = True
            channel.close()

    def _exit_code(self, channel: paramiko.Channel, doing: str) -> int:
        if self._feed_error is not None:
            raise self._feed_error
        channel.status_event.wait(self._connection.endpoint.operation_timeout)
        if channel.exit_status == -1 and not self._connection.alive:
            self._raise_lost(doing)
        if self.group is None and not self.stopped:
            raise NotStarted(channel.exit_status)
        return channel.exit_status

    def _raise_lost(self, doing: str) -> NoReturn:
        error = self._connection.transport.get_exception()
        failure = lost(self._connection.endpoint, error, doing)
        if self.group is not None:
            failure = TaskFailed(failure.message, hint=f"it may still run there, as process group {self.group}")
        raise failure from broken(error)


class NotStarted(Exception):
    """The launcher never told that the command starts: the account has no shell, or sudo refused."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(f"exit code {exit_code}")
        self.exit_code = exit_code


class _Wake(threading.Event):
    """An event that paramiko's buffers may set, and only its waiter may clear."""

    def clear(self) -> None:
        """Do nothing: one buffer being empty does not mean that there is nothing in the other."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, and clear it."""
        found = super().wait(timeout)
        super().clear()
        return found
