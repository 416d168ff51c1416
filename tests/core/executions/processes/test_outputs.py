"""What a child program writes: as lines, to a file, and how much of it is kept."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rota.errors import TaskFailed
from rota.executions.processes.streams import LONGEST_LINE, TAIL, LineSplitter, Tail
from tests.core.executions.processes.conftest import Runner


def _lines(run: Runner, script: str, **options: Any) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    run("sh", "-c", script, on_line=lambda stream, line: lines.append((stream, line)), **options)
    return lines


def test_each_line_comes_with_its_stream(run: Runner) -> None:
    assert sorted(_lines(run, "echo a; echo b >&2; printf c")) == [("stderr", "b"), ("stdout", "a"), ("stdout", "c")]


def test_a_line_comes_while_the_program_still_runs(run: Runner, tmp_path: Path) -> None:
    # The program waits for what only the receipt of its first line makes.
    lines: list[str] = []

    def on_line(stream: str, line: str) -> None:
        lines.append(line)
        (tmp_path / "received").touch()

    run(
        "sh", "-c", "echo first; until [ -e received ]; do sleep 0.01; done; echo second", cwd=tmp_path, on_line=on_line
    )
    assert lines == ["first", "second"]


def test_many_lines_can_be_taken_at_once(run: Runner) -> None:
    counts: list[int] = []
    run("seq", "200000", on_lines=lambda _, lines: counts.append(len(lines)))
    assert sum(counts) == 200_000
    assert len(counts) < 20_000


@pytest.mark.parametrize(
    ("written", "lines"),
    [
        (r"caf\351\n", ["caf�"]),
        (r"a\r\nb\n", ["a", "b"]),
        (r"10%%\r20%%\rdone\n", ["10%", "20%", "done"]),
        (r"\n\nx", ["", "", "x"]),
        (r"half \303", ["half �"]),
        (r"end\r", ["end"]),
    ],
)
def test_bytes_become_lines(run: Runner, written: str, lines: list[str]) -> None:
    assert [line for _, line in _lines(run, f"printf '{written}'")] == lines


def test_another_encoding_can_be_told(run: Runner) -> None:
    assert _lines(run, r"printf 'caf\351\n'", encoding="latin-1") == [("stdout", "café")]


def test_a_very_long_line_comes_in_pieces(run: Runner) -> None:
    lines = [line for _, line in _lines(run, "head -c 200000 /dev/zero | tr '\\0' x; echo; echo next")]
    assert "".join(lines) == "x" * 200_000 + "next"
    assert lines[-1] == "next"
    assert max(map(len, lines)) <= LONGEST_LINE


@settings(deadline=None)
@given(st.lists(st.text(alphabet="aé€😀\r\n", max_size=12).map(str.encode), max_size=8), st.integers(1, 7))
def test_lines_do_not_depend_on_how_the_bytes_are_cut(pieces: list[bytes], width: int) -> None:
    data = b"".join(pieces)
    got: list[str] = []
    splitter = LineSplitter(got.extend, "utf-8")
    for at in range(0, len(data), width):
        splitter.add(data[at : at + width])
    splitter.add(b"", last=True)
    expected = re.split("\r\n|\r|\n", data.decode())
    assert got == (expected[:-1] if expected[-1] == "" else expected)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 2 * TAIL), max_size=6))
def test_the_tail_is_the_last_64_kib(sizes: list[int]) -> None:
    data = bytes(number % 251 for number in range(sum(sizes)))
    tail = Tail("latin-1")
    at = 0
    for size in sizes:
        tail.add(data[at : at + size])
        at += size
    assert tail.text() == data[-TAIL:].decode("latin-1")
    assert tail.truncated == (len(data) > TAIL)


def test_the_tail_holds_no_half_of_a_character(run: Runner) -> None:
    result = run(sys.executable, "-c", "import sys; sys.stdout.buffer.write('€'.encode() * 50000)")
    assert result.truncated
    assert set(result.stdout) == {"€"}
    assert len(result.stdout) == TAIL // 3


def test_a_file_gets_standard_output_whole(run: Runner, tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as file:
        lines = _lines(run, "seq 300000; echo warn >&2", stdout=file)
    assert (tmp_path / "out").read_text() == "".join(f"{number}\n" for number in range(1, 300_001))
    assert lines == [("stderr", "warn")]


def test_a_file_that_takes_a_part_at_a_time_gets_all(run: Runner) -> None:
    taken = bytearray()

    class Slow(io.RawIOBase):
        def write(self, data: Any) -> int:
            taken.extend(data[:1000])
            return min(1000, len(data))

    run("seq", "5000", stdout=Slow())
    assert taken.decode() == "".join(f"{number}\n" for number in range(1, 5001))


def test_a_full_disk_fails_the_task_and_ends_the_program(run: Runner) -> None:
    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(TaskFailed, match="no space left on device"):  # noqa: PTH123
        run("yes", stdout=full)


def test_memory_stays_bounded_whatever_the_size() -> None:
    script = """
import re, threading
from pathlib import Path
from rota.executions.processes.run import run_process
def run(size, **options):
    options |= dict(cancelled=threading.Event(), register_cancel=lambda stop: None)
    run_process(["sh", "-c", f"yes 'a line of a log' | head -c {size}; head -c {size} /dev/zero"], **options)
# Not `ru_maxrss`, which a new program inherits from the process that started it: it would hide any growth.
def peak(): return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024
devnull = open("/dev/null", "wb")
def both(size):
    run(size, stdout=devnull)
    run(size, on_line=lambda stream, line: None)
both(1_000_000)
before = peak()
both(200_000_000)
print(peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 16  # MiB, for 800 MB that went through
