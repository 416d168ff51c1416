"""No expression takes the process down, or the other threads' turn."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from rota.errors import ExpressionError
from rota.flows.templates import compile_value
from tests.core.flows.templates.bombs import BOMBS, NAMES


class Ticker:
    """A thread that counts its turns, and can be waited for."""

    def __init__(self) -> None:
        self.turns = 0
        self._turned = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.005):
            with self._turned:
                self.turns += 1
                self._turned.notify_all()

    def wait_for_turn(self) -> None:
        with self._turned:
            before = self.turns
            assert self._turned.wait_for(lambda: self.turns > before, timeout=30)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


@pytest.fixture
def ticker() -> Iterator[Ticker]:
    ticker = Ticker()
    ticker.wait_for_turn()
    yield ticker
    ticker.stop()


@pytest.mark.timeout(20)
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_fails_its_own_expression_and_nothing_else(bomb: str, ticker: Ticker) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_value(BOMBS[bomb]).render(NAMES)

    assert len(str(caught.value)) < 1000
    ticker.wait_for_turn()
    assert compile_value("{{ 1 + 1 }}").render({}) == 2


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "slow",
    [
        "{{ ('a' * 5000 ~ 'b') is match('(a|a)*$') }}",
        "{{ range(99999)" + " | map('string') | map('int')" * 50 + " }}",
        "{{ ([[0] * 900] * 1000) | sum(start=[]) }}",
    ],
)
def test_other_threads_run_while_a_bomb_does(slow: str, ticker: Ticker) -> None:
    before = ticker.turns

    with pytest.raises(ExpressionError, match=r"too long|takes longer|too many steps"):
        compile_value(slow).render(NAMES)

    assert ticker.turns > before + 2


@pytest.mark.timeout(110)
def test_all_bombs_together_stay_within_little_memory() -> None:
    program = """
import re, resource
from pathlib import Path
from rota.errors import ExpressionError
from rota.flows.templates import compile_value
from tests.core.flows.templates.bombs import BOMBS, NAMES

resource.setrlimit(resource.RLIMIT_AS, (900 << 20, 900 << 20))
for name, source in BOMBS.items():
    try:
        compile_value(source).render(NAMES)
    except ExpressionError as error:
        assert "more memory than there is" not in error.message, name
    else:
        raise AssertionError(name)
# Not `ru_maxrss`, which a new program inherits from the process that started it.
print("peak", int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) // 1024)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout.split()[1]) < 400, "MiB"


def test_waiting_for_a_secret_is_not_the_expressions_time() -> None:
    def burn(name: str) -> str:
        return str(sum(range(30_000_000)))[:4]

    value = compile_value("{{ range(5000) | map('string') | join ~ secret('a') ~ (range(5000) | join) }}")

    assert value.render({"secret": burn}) is not None
