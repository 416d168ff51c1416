"""Child programs: started, fed, read and ended so that none outlives its task or its server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO


@dataclass(frozen=True, slots=True)
class Program:
    """A child program that a task asks for; see `Context.process`."""

    argv: Sequence[str]
    env: Mapping[str, str]
    stdin: bytes | IO[bytes] | None
    cwd: Path
    on_line: Callable[[str, str], object] | None
    on_lines: Callable[[str, list[str]], object] | None
    stdout: IO[bytes] | None
    run_as: str | None
