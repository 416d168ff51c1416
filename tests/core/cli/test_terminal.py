"""What a person sees at a terminal: the live tree, tables, questions."""

from __future__ import annotations

import os
import pty
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from tests.core.cli.calls import FRAGILE, HELLO, PROGRAM, SLOW, Rota

HIDE, SHOW = "\x1b[?25l", "\x1b[?25h"


class Terminal:
    """A program at a terminal of 100 columns."""

    def __init__(self, pid: int, fd: int) -> None:
        self.pid, self._fd = pid, fd
        self.seen = ""

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def until(self, text: str) -> None:
        """Read until `text` is on the screen."""
        while text not in self.plain:
            assert self._read(), f"the program ended without {text!r}: {self.seen}"

    def end(self) -> int:
        """Read to the end and return the exit code."""
        while self._read():
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    @property
    def plain(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.seen).replace("\r\n", "\n")

    def _read(self) -> bool:
        try:
            chunk = os.read(self._fd, 65536)
        except OSError:  # what Linux says when nobody has the other end any more
            return False
        self.seen += chunk.decode(errors="replace")
        return bool(chunk)


Open = Callable[..., "Terminal"]


@pytest.fixture
def terminal(rota: Rota) -> Iterator[Open]:
    """Starts `rota` at a terminal."""
    begun: list[tuple[int, int]] = []

    def open_one(*arguments: str, **env: str) -> Terminal:
        environment = {**os.environ, "COLUMNS": "100", "LINES": "40", "TERM": "xterm-256color", "CI": "", **env}
        script = f"import os; os.chdir({str(rota.path)!r}); os.execve({PROGRAM[0]!r}, {[*PROGRAM, *arguments]!r}, {environment!r})"
        pid, fd = _forked([sys.executable, "-c", script])
        begun.append((pid, fd))
        return Terminal(pid, fd)

    yield open_one
    for pid, fd in begun:
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os.close(fd)


def _forked(argv: list[str]) -> tuple[int, int]:
    """Start a program at a new terminal; `pty.fork` would warn of the threads that earlier tests have left."""
    primary, secondary = pty.openpty()
    actions = [(os.POSIX_SPAWN_DUP2, secondary, stream) for stream in (0, 1, 2)]
    # As at a real terminal: whoever runs the tests in the background has had them ignore SIGINT.
    pid = os.posix_spawn(argv[0], argv, os.environ, file_actions=actions, setsid=True, setsigdef=[signal.SIGINT])
    os.close(secondary)
    return pid, primary


def test_the_tree_shows_counts_while_it_runs_and_stays_at_the_end(rota: Rota, terminal: Open) -> None:
    rota.write("fragile.yaml", FRAGILE.replace("FOLDER", str(rota.path)))
    screen = terminal("run", "fragile.yaml")
    assert screen.end() == 1
    last = screen.plain[screen.plain.rindex("team/fragile  failed") :]
    for part in ("✓ begin", "! each  3/3  2 success  1 failed", "✗ probe", "✗ verdict", "✓ bye (finally)"):
        assert part in last
    assert screen.seen.count(HIDE) == screen.seen.count(SHOW) == 1
    assert "restart: rota executions restart" in last


def test_plain_lines_can_be_asked_for_at_a_terminal(rota: Rota, terminal: Open) -> None:
    screen = terminal("run", "hello.yaml", "--plain")
    assert screen.end() == 0
    assert HIDE not in screen.seen
    assert "greet | hello, world" in screen.plain


@pytest.mark.parametrize("variable", ["CI", "NO_COLOR"])
def test_the_environment_says_what_is_not_wanted(rota: Rota, terminal: Open, variable: str) -> None:
    screen = terminal("run", "hello.yaml", **{variable: "1"})
    assert screen.end() == 0
    assert (HIDE in screen.seen) == (variable == "NO_COLOR")
    assert ("\x1b[32m" in screen.seen) == (variable == "CI")


def test_the_cursor_comes_back_when_it_is_left_at_once(rota: Rota, terminal: Open) -> None:
    deaf = SLOW.replace(
        "command: sleep 300", "command: [sh, -c, 'trap \"\" TERM; echo deaf; while :; do sleep 1; done']"
    )
    rota.write("slow.yaml", deaf)
    screen = terminal("run", "slow.yaml")
    screen.until("deaf")
    os.kill(screen.pid, signal.SIGINT)
    screen.until("● nap  ")
    screen.until("cancelling")
    os.kill(screen.pid, signal.SIGINT)
    assert screen.end() == 130
    assert screen.seen.rindex(SHOW) > screen.seen.rindex(HIDE)


def test_a_missing_input_is_asked_for_until_it_fits(rota: Rota, terminal: Open) -> None:
    rota.write("needs.yaml", HELLO.replace("type: string, default: world", "type: select, values: [Ada, Grace]"))
    screen = terminal("run", "needs.yaml")
    screen.until("name [Ada, Grace]: ")
    screen.type("nobody\n")
    screen.until("`name` must be one of")
    screen.type("Grace\n")
    assert screen.end() == 0
    assert "greeting: hello, Grace" in screen.plain


def test_a_secret_is_not_shown_while_it_is_typed(rota: Rota, terminal: Open) -> None:
    rota.ok("init")
    rota.write("hidden.yaml", "id: hidden\ninputs:\n  - {id: word, type: secret}\n"
               "tasks:\n  - {id: use, type: shell, command: 'test $WORD = abracadabra', env: {WORD: '{{ inputs.word }}'}}\n")  # fmt: skip
    screen = terminal("run", "hidden.yaml")
    screen.until("word: ")
    screen.type("abracadabra\n")
    assert screen.end() == 0
    assert "abracadabra" not in screen.seen


def test_ctrl_c_at_a_question_is_an_interrupt(rota: Rota, terminal: Open) -> None:
    rota.write("needs.yaml", HELLO.replace(", default: world", ""))
    screen = terminal("run", "needs.yaml")
    screen.until("name: ")
    # A signal between the question and the read is seen with the next key only: a person would press Ctrl-C again.
    again = threading.Timer(15, os.kill, (screen.pid, signal.SIGINT))
    again.start()
    os.kill(screen.pid, signal.SIGINT)
    try:
        assert screen.end() == 130
    finally:
        again.cancel()
    assert "interrupted" in screen.plain


def test_what_cannot_be_taken_back_is_asked_first(rota: Rota, terminal: Open) -> None:
    rota.ok("flows", "deploy", "hello.yaml")
    screen = terminal("flows", "delete", "team/hello")
    screen.until("Delete team/hello?")
    screen.type("n\n")
    assert screen.end() == 1
    assert rota.ok("flows", "show", "team/hello").code == 0


def test_tables_have_colours_at_a_terminal(rota: Rota, terminal: Open) -> None:
    rota.ok("run", "hello.yaml")
    screen = terminal("executions", "list")
    assert screen.end() == 0
    assert "\x1b[32msuccess\x1b[0m" in screen.seen
