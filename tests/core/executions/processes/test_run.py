"""Running child programs: results, environment, input, what is said when they do not start."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, cast

import pytest

from rota.errors import TaskFailed
from rota.executions.process_table import MARK, process_alive
from tests.core.executions.processes.conftest import Runner

MEGABYTE = 1024 * 1024


def _descriptors() -> set[str]:
    # The folder that is being read has a descriptor, too, gone by now.
    return {path.name for path in Path("/proc/self/fd").iterdir() if path.is_symlink()}


def test_it_returns_the_exit_code_and_both_outputs(run: Runner) -> None:
    result = run("sh", "-c", "echo out; echo err >&2; exit 3")
    assert (result.exit_code, result.stdout, result.stderr, result.truncated) == (3, "out\n", "err\n", False)


def test_an_end_by_a_signal_is_a_negative_exit_code(run: Runner) -> None:
    assert run("sh", "-c", "kill -KILL $$").exit_code == -9


def test_the_environment_is_clean(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of the server")
    monkeypatch.setenv("TZ", "Europe/Paris")
    names = {line.partition("=")[0] for line in run("env", env={"MINE": "1"}).stdout.splitlines()}
    assert {"PATH", "TZ", "MINE"} <= names <= {"PATH", "HOME", "LANG", "TZ", "TMPDIR", "MINE", MARK}


def test_it_runs_in_the_folder_that_is_given(run: Runner, tmp_path: Path) -> None:
    assert run("pwd", "-P", cwd=tmp_path).stdout == f"{tmp_path.resolve()}\n"


def test_it_leads_a_session_of_its_own(run: Runner) -> None:
    pid, group, session = run("sh", "-c", "exec ps -o pid=,pgid=,sid= -p $$").stdout.split()
    assert pid == group == session
    assert int(session) != os.getsid(0)


def test_it_is_on_record_while_it_runs(run: Runner, tmp_path: Path) -> None:
    seen: list[tuple[int, str, bool]] = []
    script = "until [ -e go ]; do sleep 0.01; done"

    def started(pid: int, born: str) -> None:
        seen.append((pid, born, process_alive(pid, born)))
        (tmp_path / "go").touch()

    run("sh", "-c", script, cwd=tmp_path, started=started)
    [(pid, born, alive)] = seen
    assert alive
    assert not process_alive(pid, born)


def _script(folder: Path, name: str, text: str, mode: int) -> str:
    path = folder / name
    path.write_text(text)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["no-such-program"], "cannot start `no-such-program`: there is no such program in PATH"),
        (["{tmp}/none"], "there is no such file"),
        (["{tmp}/plain"], "no permission to run it"),
        (["{tmp}/orphan"], "its interpreter, `/no/such/shell -e`, does not exist"),
        (["{tmp}/noise"], "it is neither a program nor a script"),
        (["echo", "se\0cret"], "cannot start `echo`: argument 1 contains a NUL"),
        (["echo", "x" * 4 * MEGABYTE], "its arguments and environment are too long"),
        ([], "its name is empty"),
        ([""], "its name is empty"),
    ],
)
def test_what_cannot_be_started_is_said_clearly(run: Runner, tmp_path: Path, argv: list[str], words: str) -> None:
    _script(tmp_path, "plain", "#!/bin/sh\n", 0o644)
    _script(tmp_path, "orphan", "#!/no/such/shell -e\n", 0o755)
    _script(tmp_path, "noise", "\x01\x02", 0o755)
    with pytest.raises(TaskFailed) as caught:
        run(*[word.replace("{tmp}", str(tmp_path)) for word in argv])
    assert words in caught.value.message
    assert caught.value.retryable is False
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("name", "reason"), [("none", "does not exist"), ("file", "is not a folder")])
def test_a_wrong_work_folder_is_named(run: Runner, tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "file").touch(0o777)
    with pytest.raises(TaskFailed, match=f"its work folder `.*{name}` {reason}") as caught:
        run("echo", cwd=tmp_path / name)
    assert caught.value.retryable is False


def test_a_wrong_variable_is_named_without_its_value(run: Runner) -> None:
    with pytest.raises(TaskFailed, match="environment variable `TOKEN` contains a NUL") as caught:
        run("echo", env={"TOKEN": "hush\0"})
    assert "hush" not in str(caught.value)


def test_a_passing_shortage_may_be_retried(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    def short(*args: object, **options: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr("subprocess.Popen", short)
    with pytest.raises(TaskFailed, match="resource temporarily unavailable") as caught:
        run("echo")
    assert caught.value.retryable is None


def test_it_runs_as_another_user_or_says_why_not(run: Runner) -> None:
    if os.geteuid() == 0:
        words = run("sh", "-c", "id -un; id -gn; id -Gn; echo $HOME", run_as="nobody").stdout.split()
        assert words[0] == "nobody"
        assert "root" not in words[1:3]
        assert words[-1] != os.environ.get("HOME")
    else:
        with pytest.raises(TaskFailed, match="cannot run a program as user `root`") as caught:
            run("id", run_as="root")
        assert caught.value.retryable is False


def test_only_root_may_change_the_user(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(TaskFailed, match="Rota runs as uid 12345"):
        run("id", run_as="nobody")


def test_an_unknown_user_is_named(run: Runner) -> None:
    with pytest.raises(TaskFailed, match="there is no user `no-such-user`"):
        run("id", run_as="no-such-user")


def _digest(run: Runner, stdin: bytes | IO[bytes]) -> str:
    """Send `stdin` through `cat` and return the hash of what came out."""
    digest = hashlib.sha256()

    class Sink(io.RawIOBase):
        def write(self, data: Any) -> int:
            digest.update(data)
            return len(data)

    assert run("cat", stdin=stdin, stdout=Sink()).exit_code == 0
    return digest.hexdigest()


def test_100_megabytes_of_bytes_go_through(run: Runner) -> None:
    data = os.urandom(MEGABYTE) * 100
    assert _digest(run, data) == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("kind", ["plain", "gzip", "memory", "raw"])
def test_every_kind_of_input_goes_through_from_where_it_stands(run: Runner, tmp_path: Path, kind: str) -> None:
    data = os.urandom(3 * MEGABYTE)
    path = tmp_path / "data"
    path.write_bytes(data if kind != "gzip" else gzip.compress(data, 1))
    openers: dict[str, Callable[[], IO[bytes]]] = {
        "plain": lambda: path.open("rb"),
        "gzip": lambda: cast(IO[bytes], gzip.GzipFile(path)),
        "memory": lambda: io.BytesIO(data),
        "raw": lambda: cast(IO[bytes], path.open("rb", buffering=0)),
    }
    with openers[kind]() as source:
        assert source.read(7) == data[:7]
        assert _digest(run, source) == hashlib.sha256(data[7:]).hexdigest()


@pytest.mark.parametrize("empty", [None, b"", bytearray(), io.BytesIO()])
def test_without_input_a_program_reads_nothing(run: Runner, empty: Any) -> None:
    assert run("cat", stdin=empty).stdout == ""


@pytest.mark.parametrize("wrap", [lambda raw: raw.read(), io.BufferedReader])
def test_a_program_need_not_read_its_input(run: Runner, wrap: Callable[[io.BytesIO], Any]) -> None:
    assert run("true", stdin=wrap(io.BytesIO(bytes(10 * MEGABYTE)))).exit_code == 0


def test_input_that_cannot_be_read_fails_the_task(run: Runner) -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError(5, "the disk is gone")

    with pytest.raises(TaskFailed, match=r"standard input: .*the disk is gone"):
        run("cat", stdin=Broken())


def test_a_hundred_programs_at_once_leave_no_zombie_and_no_descriptor() -> None:
    before = _descriptors()
    together = threading.Barrier(100)
    pids: list[int] = []

    def one(number: int) -> str:
        together.wait()
        return Runner()("sh", "-c", f"cat; echo {number}", stdin=b"n", started=lambda pid, _: pids.append(pid)).stdout

    with ThreadPoolExecutor(100) as pool:
        assert list(pool.map(one, range(100))) == [f"n{number}\n" for number in range(100)]
    assert len(set(pids)) == 100
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    assert _descriptors() <= before


def test_it_works_without_pidfd_and_eventfd(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    monkeypatch.delattr(os, "eventfd")
    assert run("sh", "-c", "cat; exit 4", stdin=b"yes").exit_code == 4
    assert run("sh", "-c", "exec >&- 2>&-; exit 5").exit_code == 5
    result = run("sleep", "1000", started=lambda *_: run.cancel())
    assert result.exit_code == -15


def test_nothing_of_a_program_that_did_not_start_is_left_open(run: Runner) -> None:
    before = _descriptors()
    for _ in range(3):
        with pytest.raises(TaskFailed):
            run("no-such-program", stdin=b"x" * 100)
    assert _descriptors() == before
    assert run.cancel.stops == []


def test_it_does_not_inherit_our_files(run: Runner, tmp_path: Path) -> None:
    with (tmp_path / "secret").open("wb") as file:
        os.set_inheritable(file.fileno(), True)
        listed = run(sys.executable, "-c", "import os; print(os.listdir('/proc/self/fd'))").stdout
    assert str(file) not in listed
    assert listed == "['0', '1', '2', '3']\n"
