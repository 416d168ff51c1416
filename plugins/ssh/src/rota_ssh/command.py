"""Task type `ssh.command`: a command on a host."""

from __future__ import annotations

import shlex
from typing import Annotated

from pydantic import Field

from rota import Context
from rota import Shell as ShellText
from rota_ssh.program_fields import ProgramFields
from rota_ssh.running import CommandResult

Word = str | int | float


class Command(ProgramFields):
    """Run a command on a host.

    Its lines go to the log as they come. The text is sent over the connection, so that nobody on the host
    can read it among the arguments of processes. On cancel and timeout it is ended there, with everything
    that it started.

    Example:
        - id: dump
          type: ssh.command
          host: db-17.internal
          user: backup
          private_key: "{{ secret('ssh/backup#private_key') }}"
          known_hosts: "{{ file('known_hosts') }}"
          command: mongodump --archive --gzip
          stdout: artifact
    """

    command: Annotated[str | list[Word], ShellText(), Field(min_length=1, repr=False)]
    """Text for the shell, or a list of words, each of which is quoted."""
    shell: str = Field(default="sh", min_length=1)
    """The shell on the host, with options where it needs some: `bash -o pipefail`."""
    fail_fast: bool = True
    """End at the first command that fails (`set -e`)."""

    def run(self, ctx: Context) -> CommandResult:
        if isinstance(self.command, list):
            text = shlex.join(str(word) for word in self.command)
        else:
            text = ("set -e\n" if self.fail_fast else "") + self.command
        return self.run_text(ctx, self.preamble() + text, shell="" if self.shell in {"sh", "/bin/sh"} else self.shell)
