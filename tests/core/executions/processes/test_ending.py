"""How child programs are ended: on cancel, when what they leave behind lingers, when a callback raises."""

from __future__ import annotations

import os
import random
import select
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from rota.errors import TaskFailed
from rota.executions.process_table import process_alive, start_time
from rota.executions.processes.run import run_process
from tests.core.executions.processes.conftest import Runner

FOREVER = "1000"


def wait_for_end(pid: int) -> None:
    """Wait until process `pid`, which need not be ours, has ended."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        poller = select.poll()
        poller.register(handle, select.POLLIN)
        assert poller.poll(30_000), f"process {pid} is still there"
    finally:
        os.close(handle)


@pytest.fixture
def left() -> Iterator[list[int]]:
    """Pids that a test leaves running on purpose; they are killed after it."""
    pids: list[int] = []
    yield pids
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def test_cancel_ends_the_whole_group(run: Runner) -> None:
    children: list[int] = []

    def on_line(stream: str, line: str) -> None:
        children.append(int(line))
        run.cancel()

    result = run("sh", "-c", f"sleep {FOREVER} & echo $!; wait", on_line=on_line)
    assert result.exit_code == -signal.SIGTERM
    wait_for_end(children[0])


def test_last_words_after_a_cancel_are_heard(run: Runner) -> None:
    script = f"trap 'echo bye; exit 7' TERM; sleep {FOREVER} & echo up; wait"
    result = run("sh", "-c", script, on_line=lambda *_: run.cancel())
    assert (result.exit_code, result.stdout) == (7, "up\nbye\n")


def test_who_ignores_sigterm_is_killed_after_the_grace(run: Runner) -> None:
    script = "trap '' TERM; echo up; while :; do sleep 0.05; done"
    result = run("sh", "-c", script, on_line=lambda *_: run.cancel(), grace=0.2)
    assert result.exit_code == -signal.SIGKILL


def test_a_stopped_program_is_ended_too(run: Runner) -> None:
    def stop_and_cancel(pid: int, born: str) -> None:
        os.kill(pid, signal.SIGSTOP)
        run.cancel()

    assert run("sleep", FOREVER, started=stop_and_cancel).exit_code == -signal.SIGTERM


def test_after_a_cancel_nothing_is_started(run: Runner, tmp_path: Path) -> None:
    run.cancel()
    with pytest.raises(TaskFailed, match="`touch` was not started: the task has been cancelled"):
        run("touch", str(tmp_path / "made"))
    assert not (tmp_path / "made").exists()


def test_a_cancel_at_any_moment_of_the_start_ends_it() -> None:
    chance = random.Random(7)
    for _ in range(40):
        run = Runner()
        timer = threading.Timer(chance.uniform(0, 0.004), run.cancel)
        timer.start()
        try:
            code = run("sleep", FOREVER).exit_code
        except TaskFailed as failed:
            assert "was not started" in failed.message  # noqa: PT017
        else:
            assert code == -signal.SIGTERM
        timer.join()


def test_a_late_cancel_touches_nothing() -> None:
    stops: list[object] = []
    run_process(["true"], cancelled=threading.Event(), register_cancel=stops.append)
    with open(os.devnull, "rb"):  # noqa: PTH123 -- takes the descriptor that the wake-up had
        [stop] = stops
        assert callable(stop)
        stop()


def test_a_background_job_may_finish_its_output(run: Runner) -> None:
    assert run("sh", "-c", "(sleep 0.1; echo late) & echo early").stdout == "early\nlate\n"


@pytest.mark.parametrize("redirect", ["", ">/dev/null 2>&1"])
def test_a_background_job_does_not_outlive_its_program(run: Runner, redirect: str) -> None:
    result = run("sh", "-c", f"sleep {FOREVER} {redirect} & echo $!")
    assert result.exit_code == 0
    wait_for_end(int(result.stdout))


def test_a_stubborn_background_job_is_killed(run: Runner) -> None:
    script = "sh -c 'trap \"\" TERM; echo $$; while :; do sleep 0.05; done' & read -r line < /dev/null; exit 6"
    result = run("sh", "-c", script, grace=0.2)
    assert result.exit_code == 6
    wait_for_end(int(result.stdout))


def test_who_left_the_group_and_holds_the_pipe_does_not_hang_us(run: Runner, left: list[int]) -> None:
    result = run("sh", "-c", f"setsid sh -c 'echo $$; exec sleep {FOREVER}' & sleep 0.1")
    pid = int(result.stdout)
    left.append(pid)
    assert result.exit_code == 0
    assert process_alive(pid, start_time(pid) or "")


def test_who_left_the_group_and_fills_the_pipe_does_not_hang_us(run: Runner) -> None:
    result = run("sh", "-c", "setsid yes & sleep 0.1; exit 5", grace=0.2)
    assert result.exit_code == 5


@pytest.mark.parametrize("trap", ["", "trap '' TERM;"])
def test_who_left_the_group_has_ended_when_a_cancelled_program_has(run: Runner, trap: str) -> None:
    pids: list[int] = []

    def on_line(stream: str, line: str) -> None:
        pids.append(int(line))
        run.cancel()

    run("sh", "-c", f"setsid sh -c '{trap} echo $$; while :; do sleep 0.05; done' & wait", on_line=on_line, grace=0.3)
    assert not process_alive(pids[0], start_time(pids[0]) or "")


@pytest.mark.parametrize("callback", ["on_line", "on_lines", "started"])
def test_an_error_in_a_callback_ends_the_program(run: Runner, callback: str) -> None:
    class Mine(Exception):
        pass

    pids: list[int] = []

    def fail(*args: object) -> None:
        raise Mine

    def note(pid: int, born: str) -> None:
        pids.append(pid)
        if callback == "started":
            raise Mine

    options = {} if callback == "started" else {callback: fail}
    with pytest.raises(Mine):
        run("sh", "-c", f"sleep {FOREVER} & echo up; wait", started=note, **options)
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)
