"""Runs one child program to its end: the engine behind `ctx.process`."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol

from rota.context import ProcessResult
from rota.errors import TaskFailed
from rota.executions.process_table import MARK, end_marked, start_time
from rota.executions.processes.exchange import Exchange
from rota.executions.processes.outputs import Outputs
from rota.executions.processes.spawning import clean_environment, find_account, spawn
from rota.executions.processes.wakeup import Wakeup


class Reaper(Protocol):
    """Who ends the child programs of a server that has died."""

    def expect(self) -> str:
        """Announce a program that is about to start, and return the mark for its environment."""

    def register(self, mark: str, pid: int, start_time: str) -> None:
        """Say which process it has become."""

    def sweep(self, mark: str, pid: int, grace: float) -> None:
        """End what carries the mark outside the group of `pid`: SIGTERM, after `grace` seconds SIGKILL."""

    def release(self, mark: str) -> None:
        """Say that it has ended, or never started."""


def run_process(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    stdin: bytes | IO[bytes] | None = None,
    cwd: Path | None = None,
    on_line: Callable[[str, str], object] | None = None,
    on_lines: Callable[[str, list[str]], object] | None = None,
    stdout: IO[bytes] | None = None,
    cancelled: threading.Event,
    register_cancel: Callable[[Callable[[], object]], Callable[[], object] | None],
    reaper: Reaper | None = None,
    run_as: str | None = None,
    started: Callable[[int, str], object] | None = None,
    grace: float = 5.0,
    encoding: str = "utf-8",
) -> ProcessResult:
    """Run `argv` to its end and return how it ended; no exit code raises.

    It gets a session and process group of its own, and PATH, HOME, LANG, TZ, TMPDIR and `env` as its
    environment. Each line goes to `on_line(stream, line)`, or many at a time to `on_lines(stream,
    lines)`; with the file `stdout`, standard output goes there instead, whole. A plain file as `stdin`
    is read by the program itself, so where it stands afterwards is not defined. `started(pid,
    start_time)` is called once it runs.

    `register_cancel(stop)` arranges for `stop` to be called on cancel and may return what undoes that.
    Then the group, and who has left it, gets SIGTERM, and after `grace` seconds SIGKILL; so does what a program
    leaves behind in its group when it exits. With `reaper` nothing outlives this process either.

    Raises TaskFailed when the program cannot be started (not retryable when no second try can help), and
    when its input cannot be read or its output not be written; the group is ended before that, as it is
    before whatever `on_line`, `on_lines` or `started` raise.
    """
    account = None if run_as is None else find_account(run_as)
    environment = clean_environment(env, account)
    wakeup = Wakeup()
    withdraw = register_cancel(wakeup.set)
    try:
        if cancelled.is_set():
            name = argv[0] if argv else ""
            raise TaskFailed(f"`{name}` was not started: the task has been cancelled", False)
        mark = uuid.uuid4().hex if reaper is None else reaper.expect()
        environment[MARK] = mark
        try:
            outputs = Outputs(on_line, on_lines, stdout, encoding)
            with Exchange(stdin, outputs, wakeup, grace) as exchange:
                child = spawn(argv, env=environment, cwd=cwd, account=account, **exchange.child_ends())
                exchange.attach(child)
                born = start_time(child.pid) or ""
                if reaper is not None:
                    reaper.register(mark, child.pid, born)
                    exchange.on_terminate = lambda: reaper.sweep(mark, child.pid, grace)
                if started is not None:
                    started(child.pid, born)
                code = exchange.run()
            if exchange.terminated:
                # Who has left the group is not this task's any more only once it has ended: locks are freed after that.
                end_marked(mark, grace, alone=reaper is None)
        finally:
            if reaper is not None:
                reaper.release(mark)
    finally:
        if callable(withdraw):
            withdraw()
        wakeup.close()
    out, err = outputs.stdout_tail, outputs.stderr_tail
    return ProcessResult(code, out.text(), err.text(), out.truncated or err.truncated)
