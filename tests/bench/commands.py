"""The command line from cold: `rota --help`, and `rota run` of one task with a home that does not exist yet."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.bench.result import Result
from tests.bench.running import best
from tests.bench.setups import Setup

HELP_AIM, RUN_AIM = 0.25, 0.6
LIBRARIES = "import click, jinja2, pydantic, rich, sqlalchemy, sqlite3, yaml"
"""What a run needs at the least."""
ONLY = ("power",)


def run(setup: Setup) -> Iterator[Result]:
    """Measure the seconds of whole processes; the floor is Python with the libraries that they cannot do without."""
    rota = [sys.executable, "-c", "from rota.cli import main; main()"]
    with setup.home() as home:
        flow = home / "one.yaml"
        flow.write_text("id: one\ntasks:\n  - {id: hello, type: log, message: hello}\n")
        shown, bare = best(
            lambda: _process([*rota, "--help"], home),
            lambda: _process([sys.executable, "-c", "import click"], home),
            rounds=5,
        )
        yield Result("rota --help", "cold", "s", shown, bare, HELP_AIM, less=True)
        ran, bare = best(
            lambda: _process([*rota, "run", str(flow)], home, new=True),
            lambda: _process([sys.executable, "-c", LIBRARIES], home),
            rounds=5,
        )
        yield Result("rota run, one task", "cold", "s", ran, bare, RUN_AIM, less=True)


def _process(argv: Sequence[str], home: Path, *, new: bool = False) -> float:
    folder = home / f"{time.monotonic_ns()}" if new else home
    folder.mkdir(exist_ok=True)
    environment = {**os.environ, "ROTA_HOME": str(folder / ".rota"), "NO_COLOR": "1"}
    began = time.perf_counter()
    done = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    assert done.returncode == 0, f"{' '.join(argv)}: {done.stderr}"
    return seconds
