"""Task type `ssh.script`: a script that is brought to a host, run there and removed."""

from __future__ import annotations

import re
import secrets
import shlex
from typing import Annotated

from pydantic import Field, model_validator

from rota import Context, Raw, TaskFailed
from rota_ssh.program_fields import ProgramFields
from rota_ssh.running import CommandResult

_LIMIT = 8 << 20


class Script(ProgramFields):
    """Bring a script to a host, run it there, and remove it.

    The script becomes a file that only the account that runs it can read, in the host's folder for temporary
    files; it is removed however the run ends.

    Example:
        - id: rotate
          type: ssh.script
          host: db-17.internal
          user: admin
          private_key: "{{ secret('ssh/admin#private_key') }}"
          script: rotate.py
          arguments: [--keep, 7]
          sudo: true
    """

    script: str | None = None
    """A file of the flow with the script."""
    code: Annotated[str | None, Raw(), Field(repr=False)] = None
    """The script itself. It is never rendered: data goes in by `arguments`, `env` and `stdin`."""
    interpreter: str | None = Field(default=None, min_length=1)
    """What runs it, with options: `python3 -u`. Default: what its first line (`#!`) says, else `sh`."""
    arguments: list[str | int | float] = Field(default_factory=list, repr=False)
    """Arguments of the script. Everybody on the host can read those while it runs: secrets go into `env` or `stdin`."""

    @model_validator(mode="after")
    def _has_one_source(self) -> Script:
        if (self.script is None) == (self.code is None):
            raise ValueError("`ssh.script` has either `script` or `code`")
        return self

    def run(self, ctx: Context) -> CommandResult:
        data = self._data(ctx)
        place = f'"${{TMPDIR:-/tmp}}/rota-{secrets.token_hex(8)}"'
        clean_up = f"rm -f -- {place}\n"
        words = [*self._interpreter(data), *(str(argument) for argument in self.arguments)]
        before, after = (
            shlex.join(words[: len(words) - len(self.arguments)]),
            shlex.join(words[len(words) - len(self.arguments) :]),
        )
        text = (
            f"f={place}\n"
            "trap 'rm -f -- \"$f\"' EXIT; trap 'exit 143' HUP INT TERM\n"
            # `noclobber` refuses a file, or a link, that somebody else has put there.
            '(umask 077; set -C; : > "$f") || exit 126\n'
            # Byte by byte: what comes after the script is the script's own input.
            f'dd bs=1 count={len(data)} of="$f" 2>/dev/null || exit 126\n'
            f'{self.preamble()}{before} "$f" {after}\n'
        )
        return self.run_text(ctx, text, payload=data, clean_up=clean_up)

    def _data(self, ctx: Context) -> bytes:
        if self.script is None:
            return (self.code or "").encode()
        path = ctx.in_workdir(self.script)
        if not path.is_file():
            raise TaskFailed(f"there is no file `{self.script}`", retryable=False, hint="name it in the flow's `files`")
        if path.stat().st_size > _LIMIT:
            raise TaskFailed(
                f"`{self.script}` is over {_LIMIT >> 20} MiB", retryable=False, hint="bring it there by `ssh.upload`"
            )
        return path.read_bytes()

    def _interpreter(self, data: bytes) -> list[str]:
        if self.interpreter is not None:
            return shlex.split(self.interpreter)
        first = re.match(rb"#! *([^\n]+)", data)
        # As the kernel does it: the program, and whatever comes after it as one argument.
        return first[1].decode(errors="replace").split(maxsplit=1) if first else ["/bin/sh"]
