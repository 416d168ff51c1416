"""The fields that `ssh.command` and `ssh.script` have in common."""

from __future__ import annotations

import re
import shlex
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import IO, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from rota import Artifact, Context, Duration, Task, TaskFailed
from rota_ssh.connection_fields import HostFields
from rota_ssh.endpoint import endpoint_of
from rota_ssh.launcher import exports
from rota_ssh.program import Request
from rota_ssh.running import CommandResult, Run

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class StdinFile(BaseModel):
    """A file of the work folder as standard input."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    file: str
    """Its path in the work folder."""


class ProgramFields(HostFields, Task):
    """What runs on a host: with what environment and input, as whom, and what becomes of its output."""

    env: dict[str, str | int | float | bool] = Field(default_factory=dict, repr=False)
    """Environment variables. They are sent over the connection, not as arguments; the host need not accept them."""
    cwd: str | None = Field(default=None, min_length=1)
    """The folder to run it in; default: where the login leads, most often the home."""
    stdin: Artifact | StdinFile | str | None = Field(default=None, repr=False)
    """The standard input: text, an artifact, or `{file: …}` for a file of the work folder. Default: nothing."""
    stdout: Literal["text", "artifact"] = "text"
    """`artifact` stores the whole standard output as a file instead of logging it."""
    exit_codes: list[int] = Field(default=[0], min_length=1)
    """The exit codes that are a success."""
    sudo: bool = False
    """Run it by `sudo`, as root unless `sudo_user` says otherwise."""
    sudo_user: str | None = Field(default=None, pattern=r"[A-Za-z0-9_#][A-Za-z0-9_.$-]*")
    """Who to become."""
    sudo_password: SecretStr | None = None
    """What sudo is told when it asks for a password."""
    grace: Duration = timedelta(seconds=5)
    """How long it may take to end after SIGTERM on cancel and timeout, before SIGKILL."""

    @field_validator("env")
    @classmethod
    def _has_plain_names(cls, env: dict[str, str | int | float | bool]) -> dict[str, str | int | float | bool]:
        for name in env:
            if not _NAME.fullmatch(name):
                raise ValueError(f"`{name}` is no name for an environment variable")
        return env

    @model_validator(mode="after")
    def _is_sudo(self) -> ProgramFields:
        if not self.sudo and (self.sudo_user or self.sudo_password):
            raise ValueError("`sudo_user` and `sudo_password` need `sudo: true`")
        return self

    def preamble(self) -> str:
        """Return shell text that sets the environment and the folder."""
        values = {
            name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in self.env.items()
        }
        folder = f"cd -- {shlex.quote(self.cwd)} || exit 126\n" if self.cwd else ""
        return exports(values) + folder

    def run_text(
        self, ctx: Context, text: str, *, shell: str = "", payload: bytes = b"", clean_up: str = ""
    ) -> CommandResult:
        """Run shell text on the host, and return how it ended. Raises TaskFailed."""
        if "\0" in text:
            raise TaskFailed("a command cannot have a NUL in it", retryable=False)
        with ExitStack() as files:
            request = Request(
                text=text,
                shell=shell,
                sudo=self.sudo,
                sudo_user=self.sudo_user or "",
                sudo_password=self.sudo_password,
                payload=payload,
                stdin=self._open_stdin(ctx, files),
                clean_up=clean_up,
            )
            run = Run(ctx, endpoint_of(self), request, self.grace.total_seconds())
            return run.to_text(self.exit_codes) if self.stdout == "text" else run.to_artifact(self.exit_codes)

    def _open_stdin(self, ctx: Context, files: ExitStack) -> IO[bytes] | None:
        if self.stdin is None:
            return None
        if isinstance(self.stdin, str):
            import io

            return io.BytesIO(self.stdin.encode())
        if isinstance(self.stdin, StdinFile):
            path: Path = ctx.in_workdir(self.stdin.file)
            if not path.is_file():
                raise TaskFailed(f"there is no file `{self.stdin.file}` for `stdin`", retryable=False)
            return files.enter_context(path.open("rb"))
        return files.enter_context(ctx.artifacts.open(self.stdin))
