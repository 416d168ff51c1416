"""The reaper: nothing that a conductor started outlives it, however it ends."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from rota.conductor.reaper import Reaper, process_alive
from rota.errors import RotaError
from rota.executions.process_table import MARK, mark_of, start_time
from rota.executions.processes.run import run_process
from tests.core.executions.processes.conftest import Runner
from tests.core.executions.processes.test_ending import wait_for_end

# A program with a child in its group and one that left it, both deaf to polite words.
FAMILY = """
trap '' TERM
sleep 1000 >/dev/null 2>&1 &
setsid sleep 1000 >/dev/null 2>&1 &
echo up
while :; do sleep 1; done
"""

SERVER = (
    f"""
FAMILY = {FAMILY!r}
"""
    """
import os, signal, sys, threading, time
from rota.conductor.reaper import Reaper
from rota.executions.processes.run import run_process

reaper = Reaper(grace=0.2)
env = {"TAG": os.environ["TAG"]}

def run(script, **options):
    options |= dict(cancelled=threading.Event(), register_cancel=lambda stop: None, reaper=reaper, env=env)
    return run_process(["sh", "-c", script], **options)

def ready():
    print(reaper.pid, flush=True)
"""
)


class Server:
    """A process of its own that runs child programs; everything below it carries its tag."""

    def __init__(self, script: str) -> None:
        self.tag = uuid.uuid4().hex
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER + script],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"TAG": self.tag},
        )
        assert self.process.stdout is not None
        self.reaper = int(self.process.stdout.readline())

    def kill(self) -> None:
        self.process.kill()
        self.wait()

    def wait(self) -> None:
        assert self.process.stdout is not None
        self.process.wait()
        self.process.stdout.close()

    def below(self) -> list[int]:
        """Return the pids of what carries the tag."""
        tag, found = f"\0TAG={self.tag}\0".encode(), []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environment = (folder / "environ").read_bytes()
            except OSError:
                continue
            if tag in b"\0" + environment + b"\0":
                found.append(int(folder.name))
        return found

    def wait_for_reaper(self) -> None:
        wait_for_end(self.reaper)

    def close(self) -> None:
        self.kill()
        for pid in self.below():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    servers: list[Server] = []
    yield servers
    for server in servers:
        server.close()


@pytest.fixture
def run() -> Runner:
    return Runner()


@pytest.fixture
def reaper() -> Iterator[Reaper]:
    with Reaper(grace=0.2) as reaper:
        yield reaper


def test_nothing_outlives_a_server_that_is_killed(servers: list[Server]) -> None:
    server = Server("run(FAMILY, on_line=lambda *_: ready())")
    servers.append(server)
    assert len(server.below()) >= 3
    server.kill()
    server.wait_for_reaper()
    assert server.below() == []


@pytest.mark.parametrize("rounds", [5, pytest.param(60, marks=[pytest.mark.soak, pytest.mark.timeout(600)])])
def test_nothing_outlives_a_server_that_is_killed_at_any_moment(servers: list[Server], rounds: int) -> None:
    seed = random.randrange(1_000_000)
    print("seed", seed)  # noqa: T201
    chance = random.Random(seed)
    script = """
reaper.release(reaper.expect())
ready()
def keep(script):
    threading.Thread(target=run, args=(script,), daemon=True).start()
for number in range(150):
    keep(FAMILY if number % 3 else "setsid sleep 1000 & sleep 1000")
    run("true")
time.sleep(1000)
"""
    for _ in range(rounds):
        server = Server(script)
        servers.append(server)
        # Not to wait for something: the moment is the input of this test.
        time.sleep(chance.uniform(0, 0.5))
        server.kill()
        server.wait_for_reaper()
        assert server.below() == []
    # What was between fork and exec when its server died had time to appear since.
    assert [server.below() for server in servers] == [[] for _ in servers]


def test_a_program_that_was_not_registered_yet_is_found_by_its_mark(servers: list[Server]) -> None:
    # The moments between fork and exec, drawn out: no mark yet, no file of the server's open any more.
    server = Server(f"""
mark = reaper.expect()
ready()
me = os.getpid()
if os.fork() == 0:
    os.setsid()
    os.closerange(0, 100)
    while os.getppid() == me:
        time.sleep(0.01)
    time.sleep(0.3)
    os.execve("/bin/sleep", ["sleep", "1000"], {{"{MARK}": mark, **env}})
os.kill(me, signal.SIGKILL)
""")
    servers.append(server)
    server.wait()
    server.wait_for_reaper()
    assert server.below() == []


def test_a_fork_that_holds_the_pipe_open_does_not_keep_the_reaper_waiting(servers: list[Server]) -> None:
    server = Server("""
if os.fork() == 0:
    time.sleep(1000)
reaper.release(reaper.expect())
if os.fork() == 0:
    time.sleep(1000)
run(FAMILY, on_line=lambda *_: ready())
""")
    servers.append(server)
    server.kill()
    server.wait_for_reaper()
    assert [pid for pid in server.below() if mark_of(pid)] == []


def test_a_server_that_ends_well_takes_its_reaper_with_it_and_spares_what_a_task_left_on_purpose(
    servers: list[Server],
) -> None:
    server = Server("""
run("setsid sleep 1000 >/dev/null 2>&1 &")
ready()
""")
    servers.append(server)
    server.wait()
    server.wait_for_reaper()
    assert len(server.below()) == 1


def test_a_stop_of_the_whole_service_does_not_stop_the_reaper_first(servers: list[Server]) -> None:
    server = Server("run(FAMILY, on_line=lambda *_: ready())")
    servers.append(server)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(server.reaper, number)
    server.kill()
    server.wait_for_reaper()
    assert server.below() == []


def test_a_reaper_that_was_killed_is_replaced_by_one_that_knows_the_same(servers: list[Server]) -> None:
    server = Server("""
def replace(*_):
    first = reaper.pid
    os.kill(first, signal.SIGKILL)
    os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)
    run("true")
    assert reaper.pid != first
    ready()
run(FAMILY, on_line=replace)
""")
    servers.append(server)
    server.kill()
    server.wait_for_reaper()
    assert server.below() == []


def test_a_cancel_ends_what_left_the_group(run: Runner, reaper: Reaper, tmp_path: Path) -> None:
    pids: list[int] = []

    def on_line(stream: str, line: str) -> None:
        pids.append(int(line))
        run.cancel()

    script = "setsid sh -c 'trap \"\" TERM; echo $$; while :; do sleep 0.1; done' & wait"
    assert run("sh", "-c", script, on_line=on_line, reaper=reaper, grace=0.2).exit_code == -signal.SIGTERM
    wait_for_end(pids[0])


def test_every_program_has_a_mark_of_its_own(run: Runner, reaper: Reaper) -> None:
    marks = {run("sh", "-c", f"echo ${MARK}", reaper=reaper, env={MARK: "mine"}).stdout for _ in range(3)}
    assert len(marks) == 3
    assert "mine\n" not in marks


def test_closing_ends_what_was_not_released(reaper: Reaper) -> None:
    mark = reaper.expect()
    child = subprocess.Popen(["sleep", "1000"], env={"PATH": os.environ["PATH"], MARK: mark}, start_new_session=True)
    reaper.register(mark, child.pid, start_time(child.pid) or "")
    pid = reaper.pid
    assert pid is not None
    born = start_time(pid)
    assert born is not None
    assert process_alive(pid, born)
    reaper.close()
    assert child.wait() == -signal.SIGTERM
    assert not process_alive(pid, born)
    reaper.close()


def test_it_is_started_with_the_first_program_only(reaper: Reaper) -> None:
    assert reaper.pid is None
    reaper.release(reaper.expect())
    first = reaper.pid
    assert first is not None
    reaper.release(reaper.expect())
    assert reaper.pid == first


def test_a_reaper_that_cannot_be_started_lets_no_program_start(
    reaper: Reaper, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(RotaError, match="cannot start the reaper, `/no/such/python -I -S`: no such file"):
        run_process(
            ["touch", str(tmp_path / "made")],
            cancelled=threading.Event(),
            register_cancel=lambda _: None,
            reaper=reaper,
        )
    assert not (tmp_path / "made").exists()


def test_the_reaper_loads_nothing_that_is_heavy() -> None:
    script = (
        "import sys; sys.path.append(sys.argv[1]); import rota.conductor.reaper_main;"
        "print(*{name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names)"
        "; print(*{'subprocess', 'pathlib', 'threading', 'socket', 'logging'} & set(sys.modules))"
    )
    source = str(Path(sys.modules["rota"].__file__ or "").parent.parent)
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", script, source], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) <= {"rota", "__main__"}
