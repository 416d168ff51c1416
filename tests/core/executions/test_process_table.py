"""Naming processes by pid and start time, and ending those of a dead server."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from rota.executions import process_table
from rota.executions.process_table import MARK, kill_group, mark_of, process_alive, start_time
from tests.core.executions.processes.test_ending import wait_for_end


class Group:
    """A shell that leads a group, with one child in it and one that left it."""

    def __init__(self, mark: str | None) -> None:
        env = {"PATH": os.environ["PATH"]} | ({} if mark is None else {MARK: mark})
        script = "sleep 1000 & echo $!; setsid sh -c 'echo $$; exec sleep 1000' & wait"
        self.leader = subprocess.Popen(
            ["sh", "-c", script], env=env, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self.leader.stdout is not None
        self.pids = [int(self.leader.stdout.readline()) for _ in range(2)]
        self.child, self.stray = self._sorted()
        self.born = start_time(self.leader.pid) or ""

    def _sorted(self) -> tuple[int, int]:
        first, second = self.pids
        return (first, second) if os.getpgid(first) == self.leader.pid else (second, first)

    def close(self) -> None:
        for pid in (self.leader.pid, *self.pids):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.leader.communicate()


@pytest.fixture
def marked() -> Iterator[Group]:
    group = Group(f"test-{os.getpid()}.1")  # other tests at the same time have groups of their own
    yield group
    group.close()


@pytest.fixture
def unmarked() -> Iterator[Group]:
    group = Group(None)
    yield group
    group.close()


def test_an_adopter_ends_the_group_and_who_left_it(marked: Group) -> None:
    assert kill_group(marked.leader.pid, marked.born, 5)
    for pid in marked.pids:
        wait_for_end(pid)
    assert marked.leader.wait() == -signal.SIGTERM
    assert not kill_group(marked.leader.pid, marked.born, 5)


@pytest.mark.parametrize("born", ["1", "", "1{origin}", "{ticks}.another-boot.1"])
def test_a_process_that_only_got_the_same_pid_is_left_alone(marked: Group, born: str) -> None:
    ticks, _, origin = marked.born.partition(".")
    record = born.format(origin="." + origin, ticks=ticks)
    assert not process_alive(marked.leader.pid, record)
    assert not kill_group(marked.leader.pid, record, 0)
    assert process_alive(marked.leader.pid, marked.born)


def test_without_its_leader_a_group_is_ended_when_it_is_marked(marked: Group) -> None:
    marked.leader.kill()
    marked.leader.wait()
    assert kill_group(marked.leader.pid, marked.born, 5)
    wait_for_end(marked.child)


def test_without_its_leader_a_group_of_strangers_is_left_alone(unmarked: Group) -> None:
    unmarked.leader.kill()
    unmarked.leader.wait()
    assert not kill_group(unmarked.leader.pid, unmarked.born, 0)
    assert start_time(unmarked.child) is not None


def test_a_zombie_is_not_alive() -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    born = start_time(child.pid)
    assert born is not None
    assert not process_alive(child.pid, born)
    child.wait()
    assert start_time(child.pid) is None


def test_only_the_very_variable_is_a_mark() -> None:
    for env, mark in (({"X" + MARK: "a"}, None), ({MARK: "a.1", "Z": "1"}, "a.1"), ({"Z": f"\n{MARK}=b"}, None)):
        child = subprocess.Popen(["sh", "-c", "echo; read x"], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        assert mark_of(child.pid) == mark
        child.communicate()


def test_without_proc_it_asks_ps(unmarked: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_table, "_LINUX", False)
    monkeypatch.setattr(process_table, "_origins", [""])
    born = start_time(unmarked.leader.pid)
    assert born is not None
    assert process_alive(unmarked.leader.pid, born)
    assert kill_group(unmarked.leader.pid, born, 5)
    assert unmarked.leader.wait() == -signal.SIGTERM
    wait_for_end(unmarked.child)
    assert not process_alive(unmarked.leader.pid, born)
