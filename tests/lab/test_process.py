"""A lab server ends with everything it started, in whatever way its parent ends."""

from __future__ import annotations

import errno
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from tests.lab.ports import PortTaken, free_port, free_ports, listening_socket, on_free_ports
from tests.lab.process import ServerFailed, ServerProcess, processes_with
from tests.lab.server import ROOT, temporary_folder


def sleeper(folder: Path) -> str:
    """A shell command that starts children inside and outside its group, each naming `folder`, and then waits."""
    sleep = f"{sys.executable} -S -c 'import time; time.sleep(1000)' {folder}"
    return f"setsid {sleep} & {sleep} & {sleep} & touch started; wait"


def test_stopping_a_server_ends_its_group_and_what_left_it(tmp_path: Path) -> None:
    server = ServerProcess.start(["/bin/sh", "-c", sleeper(tmp_path)], tmp_path)
    server.wait_until(lambda: len(processes_with(f"{tmp_path}")) >= 4)
    assert server.running
    server.stop()
    assert processes_with(f"{tmp_path}") == []
    server.stop()


def test_a_server_that_heeds_no_signal_is_killed(tmp_path: Path) -> None:
    command = f"trap '' TERM; touch started; while :; do sleep 1; : {tmp_path}; done"
    server = ServerProcess.start(["/bin/sh", "-c", command], tmp_path, grace=0.1)
    server.wait_until((tmp_path / "started").exists)
    server.stop()
    assert processes_with(f"{tmp_path}") == []


def test_a_frozen_server_does_nothing_in_any_of_its_threads(tmp_path: Path) -> None:
    program = """
        import threading
        def write(number):
            with open(f"{number}.txt", "ab", buffering=0) as file:
                while True:
                    file.write(b".")
        for number in range(8):
            threading.Thread(target=write, args=(number,)).start()
    """
    server = ServerProcess.start([sys.executable, "-c", textwrap.dedent(program)], tmp_path)

    def sizes() -> list[int]:
        return [path.stat().st_size for path in sorted(tmp_path.glob("*.txt"))]

    server.wait_until(lambda: len(sizes()) == 8 and all(sizes()))
    for _ in range(20):
        server.freeze()
        frozen = sizes()
        time.sleep(0.005)
        assert sizes() == frozen
        server.signal(signal.SIGCONT)
    server.stop()


def test_a_server_dies_with_a_parent_that_is_killed_and_its_folder_goes() -> None:
    folder = temporary_folder("orphan")
    program = f"""
        import time
        from pathlib import Path
        from tests.lab.process import ServerProcess
        folder = Path({str(folder)!r})
        ServerProcess.start(["/bin/sh", "-c", {sleeper(folder)!r}], folder, remove=folder)
        print("started", flush=True)
        time.sleep(1000)
    """
    argv = [sys.executable, "-c", textwrap.dedent(program)]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "started\n"
        parent.send_signal(signal.SIGKILL)
    while folder.exists() or processes_with(f"{folder}"):  # pytest's own time limit ends this when it never comes true
        time.sleep(0.01)


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ServerFailed, match="no-such-server"):
        ServerProcess.start(["/no-such-server"], tmp_path)


def test_a_server_that_ends_by_itself_shows_its_log(tmp_path: Path) -> None:
    server = ServerProcess.start(["/bin/sh", "-c", "echo the disk is gone >&2; exit 1"], tmp_path)
    with pytest.raises(ServerFailed, match="the disk is gone"):
        server.wait_until(lambda: False)


def test_a_server_that_never_answers_is_ended(tmp_path: Path) -> None:
    server = ServerProcess.start(["/bin/sh", "-c", sleeper(tmp_path)], tmp_path)
    with pytest.raises(ServerFailed, match="did not answer within"):
        server.wait_until(lambda: False, timeout=0.05)
    assert processes_with(f"{tmp_path}") == []


@pytest.mark.parametrize(
    "said",
    [
        "bind: Address already in use",
        "mini.go:1244 Port allocation failed: port 21541 for Admin is not available on 127.0.0.1 and cannot be used",
    ],
)
def test_a_lost_port_is_told_from_other_failures(tmp_path: Path, said: str) -> None:
    server = ServerProcess.start(["/bin/sh", "-c", f"echo '{said}' >&2; exit 1"], tmp_path)
    with pytest.raises(PortTaken):
        server.wait_until(lambda: False)


def test_ports_are_different_and_can_be_bound() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    for port in ports:
        listening_socket(port).close()


def test_another_port_is_tried_when_one_is_lost() -> None:
    with listening_socket() as taken:
        choices = iter([int(taken.getsockname()[1]), free_port()])
        tried: list[int] = []

        def start(ports: list[int]) -> int:
            tried.append(port := next(choices))
            listening_socket(port).close()
            return port

        assert on_free_ports(1, start) == tried[1]
        assert len(tried) == 2


def test_an_error_that_no_other_port_can_help_is_raised_at_once() -> None:
    def start(ports: list[int]) -> socket.socket:
        raise OSError(errno.EACCES, "permission denied")

    with pytest.raises(OSError, match="permission denied"):
        on_free_ports(1, start)
