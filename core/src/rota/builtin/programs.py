"""What `shell` and `python` have in common: a program with an input, an environment, outputs and artifacts."""

from __future__ import annotations

import signal
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from rota import Artifact, Context, ProcessResult, Task, TaskFailed
from rota.builtin.json_text import json_text
from rota.builtin.program_output import read_output
from rota.builtin.work_files import OWN, is_glob, matches


class ProgramResult(BaseModel):
    """How a program ended, and what it gave.

    What the program writes to the file named by `ROTA_OUTPUT` stands beside these names:
    `count=3` is `outputs.<id>.count`.
    """

    model_config = ConfigDict(extra="allow")

    exit_code: int
    """The exit code; -N when signal N ended it."""
    stdout: str | Artifact
    """The last 64 KiB of the standard output; with `stdout: artifact`, all of it as an artifact."""
    stderr: str
    """The last 64 KiB of the standard error."""
    truncated: bool
    """Whether there was more of one of the two."""
    artifacts: dict[str, Artifact | list[Artifact]]
    """The stored files by name: one for a plain path, a list for a glob."""


class ProgramTask(Task):
    """A task that runs one program in its work folder."""

    env: dict[str, str | int | float | bool] = Field(default_factory=dict, repr=False)
    """Environment variables, added to a clean environment of PATH, HOME, LANG, TZ and TMPDIR."""
    input: Any = Field(default=None, repr=False)
    """Data for the program: JSON in the file that the variable `ROTA_INPUT` names."""
    files: dict[str, Artifact | str] = Field(default_factory=dict)
    """Artifacts to put into the work folder first: path to artifact, or its uri."""
    artifacts: dict[str, str] = Field(default_factory=dict)
    """Files to store when it has ended: name to path or glob in the work folder."""
    stdout: Literal["text", "artifact"] = "text"
    """`artifact` stores the whole standard output as a file instead of logging it."""
    exit_codes: list[int] = Field(default=[0], min_length=1)
    """The exit codes that are a success."""

    @field_validator("env")
    @classmethod
    def _has_plain_names(cls, env: dict[str, Any]) -> dict[str, Any]:
        for name in env:
            if not name.replace("_", "a").isalnum() or not name.isascii() or name[0].isdigit():
                raise ValueError(f"`{name}` is no name for an environment variable")
            if name in {"ROTA_INPUT", "ROTA_OUTPUT"}:
                raise ValueError(f"`{name}` is set by Rota")
        return env

    @abstractmethod
    def command_line(self, ctx: Context, folder: Path) -> Sequence[str]:
        """Return the program and its arguments; files that it needs go into `folder`."""

    def environment(self, ctx: Context) -> dict[str, str]:
        """Return the variables of the flow as text."""
        return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in self.env.items()}

    def run(self, ctx: Context) -> ProgramResult:
        folder = ctx.workdir / OWN
        folder.mkdir(mode=0o700, exist_ok=True)
        output = folder / "output"
        output.write_bytes(b"")
        given = folder / "input.json"
        given.write_text(json_text(self.input, secrets="reveal"), encoding="utf-8")
        given.chmod(0o600)
        for name, artifact in self.files.items():
            path = ctx.in_workdir(name)
            if path.is_dir():
                raise TaskFailed(f"`{name}` in `files` is a folder", retryable=False, hint="name the file")
            path.parent.mkdir(parents=True, exist_ok=True)
            ctx.artifacts.fetch(artifact, path)
        env = self.environment(ctx) | {"ROTA_INPUT": str(given), "ROTA_OUTPUT": str(output)}
        argv = self.command_line(ctx, folder)
        if self.stdout == "text":
            ended = ctx.process(argv, env=env)
            return self._result(ctx, output, ended, ended.stdout)
        with ctx.artifacts.writer("stdout") as writer:
            # Only `write` is asked of the file.
            ended = ctx.process(argv, env=env, stdout=writer)  # type: ignore[arg-type]
            self._check(ctx, output, ended, "")
        return self._result(ctx, output, ended, writer.artifact)

    def _check(self, ctx: Context, output: Path, ended: ProcessResult, stdout: str | Artifact) -> None:
        """Raise TaskFailed, with what there is as partial output, unless the exit code is a success."""
        if ended.exit_code in self.exit_codes:
            return
        try:
            partial = self._gather(ctx, output, ended, stdout)
        except TaskFailed as problem:
            ctx.log.warning(problem.message)
            partial = _result(ended, stdout, {}, {})
        if ctx.cancelled.is_set():
            ctx.output(partial)
        raise TaskFailed(_reason(ended), output=partial)

    def _result(self, ctx: Context, output: Path, ended: ProcessResult, stdout: str | Artifact) -> ProgramResult:
        self._check(ctx, output, ended, stdout)
        result = self._gather(ctx, output, ended, stdout)
        for name, pattern in self.artifacts.items():
            if name not in result.artifacts:
                raise TaskFailed(f"there is no file `{pattern}` for the artifact `{name}`", output=result)
        return result

    def _gather(self, ctx: Context, output: Path, ended: ProcessResult, stdout: str | Artifact) -> ProgramResult:
        found: dict[str, Artifact | list[Artifact]] = {}
        for name, pattern in self.artifacts.items():
            stored = [ctx.artifacts.save(path, str(path.relative_to(ctx.workdir))) for path in matches(ctx, pattern)]
            if is_glob(pattern):
                found[name] = stored
            elif stored:
                found[name] = stored[0]
        return _result(ended, stdout, found, read_output(output, ProgramResult.model_fields))


def _result(
    ended: ProcessResult,
    stdout: str | Artifact,
    artifacts: dict[str, Artifact | list[Artifact]],
    values: dict[str, Any],
) -> ProgramResult:
    return ProgramResult(
        exit_code=ended.exit_code,
        stdout=stdout,
        stderr=ended.stderr,
        truncated=ended.truncated,
        artifacts=artifacts,
        **values,
    )


def _reason(ended: ProcessResult) -> str:
    if ended.exit_code < 0:
        try:
            how = f"was ended by {signal.Signals(-ended.exit_code).name}"
        except ValueError:
            how = f"was ended by signal {-ended.exit_code}"
    else:
        how = f"ended with exit code {ended.exit_code}"
    last = next((line.strip() for line in reversed(ended.stderr.splitlines()) if line.strip()), "")
    return f"the program {how}" + (f": {last[:500]}" if last else "")
