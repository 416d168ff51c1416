"""Calls `rota` as a person does: in this process where that is enough, as a program where it is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rota.cli.launcher import launch

PROGRAM = [sys.executable, "-P", "-m", "rota"]


@dataclass(frozen=True)
class Result:
    """What came of a call."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Rota:
    """`rota` in a folder with settings of its own; `path` is the folder, and the current one."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path = path
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Result:
        """Run a command in this process."""
        self._capsys.readouterr()
        code = launch(arguments)
        captured = self._capsys.readouterr()
        return Result(code, captured.out, captured.err)

    def ok(self, *arguments: str) -> Result:
        """Run a command that must succeed."""
        result = self(*arguments)
        assert result.code == 0, result
        return result

    def program(
        self, *arguments: str, stdin: str = "", env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as a program and wait for its end."""
        return subprocess.run(
            [*PROGRAM, *arguments],
            cwd=self.path,
            env={**os.environ, **(env or {})},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @contextmanager
    def begin(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Start a command as a program; it is killed if it has not ended with the block."""
        with subprocess.Popen(
            [*PROGRAM, *arguments], cwd=self.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def write(self, name: str, text: str) -> str:
        """Write a file into the folder and return its name."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return name

    def run_failing(self) -> str:
        """Run the flow of `FRAGILE` with its cause of failure in place, and return the execution's id."""
        self.write("fragile.yaml", FRAGILE.replace("FOLDER", str(self.path)))
        result = self("run", "fragile.yaml", "--json")
        assert result.code == 1, result
        return str(result.json["id"])


HELLO = """\
id: hello
namespace: team
inputs:
  - {id: name, type: string, default: world}
tasks:
  - {id: greet, type: log, message: "hello, {{ inputs.name }}"}
outputs:
  greeting: "hello, {{ inputs.name }}"
"""

FRAGILE = """\
id: fragile
namespace: team
tasks:
  - {id: begin, type: log, message: begin}
  - id: each
    type: foreach
    items: [one, two, three]
    key: "{{ item }}"
    concurrency: 3
    max_failures: 100%
    tasks:
      - id: probe
        type: shell
        command: "test {{ item | quote }} != two || test -e FOLDER/repaired || { echo two is broken >&2; exit 4; }"
  - id: verdict
    type: assert
    conditions: ["tasks.each.state == 'success'"]
finally:
  - {id: bye, type: log, message: bye}
"""

WAITING = """\
id: waiting
namespace: team
tasks:
  - id: ask
    type: pause
    inputs:
      - {id: reason, type: string}
  - {id: told, type: log, message: "because {{ outputs.ask.reason }}"}
"""

SLOW = """\
id: slow
namespace: team
tasks:
  - {id: nap, type: shell, command: sleep 300}
finally:
  - {id: bye, type: log, message: goodbye}
"""


def wait_for(process: subprocess.Popen[str], text: str) -> list[str]:
    """Read the output of a program up to the line that holds `text`, and return the lines."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return lines
    raise AssertionError(f"no line with {text!r} in {lines}")
