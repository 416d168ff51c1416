"""The tutorial does what it says, command by command, in an empty folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import blocks

PAGE = "docs/tutorial.md"


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    bin_folder = Path(sys.executable).parent
    environment = {
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "HOME": str(folder),
        "NO_COLOR": "1",
        "PYTHONPATH": str(folder / "installed"),
    }
    return subprocess.run(
        ["sh", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=90, check=False
    )


def installed_beside(command: str) -> str:
    """Install the plugin into a folder of the test's own: the environment that runs the tests stays as it is."""
    if shutil.which("uv"):
        return (
            f"uv pip install -q --no-deps --no-build-isolation --target installed --python {sys.executable} ./rota-acme"
        )
    return f"{sys.executable} -m pip install -q --no-deps --no-build-isolation --target installed ./rota-acme"


@pytest.mark.timeout(600)
def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    steps = [
        *((block.line, "file", block) for block in blocks("yaml") if block.page == PAGE),
        *((block.line, "console", block) for block in blocks("console") if block.page == PAGE),
    ]
    commands = 0
    for _, kind, block in sorted(steps, key=lambda step: step[0]):
        if kind == "file":
            (tmp_path / block.kind.removeprefix("file:")).write_text(block.text)
            continue
        for line in re.findall(r"^\$ (.+)$", block.text, re.MULTILINE):
            command, _, comment = line.partition("   # exit ")
            if command.startswith("pip install"):
                command = installed_beside(command)
            done = run(command, tmp_path)
            assert done.returncode == int(comment or 0), f"{command}\n{done.stdout}\n{done.stderr}"
            commands += 1
    assert commands > 15
