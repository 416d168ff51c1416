"""Benchmarks in a process of their own: an order goes in as JSON, the figures come out, and memory is that process's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def ask(module: str, order: Mapping[str, object]) -> dict[str, float]:
    """Run a module with `order` on its standard input, and return the figures on the last line that it prints."""
    done = subprocess.run(
        [sys.executable, "-m", module],
        input=json.dumps(order),
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def memory(name: str = "VmHWM") -> float:
    """Return a line of `/proc/self/status`, in megabytes: the most memory that this process has had, or another."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"no {name}")
