"""Task type `shell`: a command on this machine."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from rota import Context, TaskFailed
from rota import Shell as ShellText
from rota.builtin.programs import ProgramTask

Word = str | int | float


class Shell(ProgramTask):
    """Run a command on this machine.

    Its lines go to the log as they come. It runs in a folder of its own, with the flow's `files` in it,
    and in a clean environment. The text of the command is never an argument of a process, where others
    could see it; the words of a list are.

    Example:
        - id: pack
          type: shell
          command: |
            tar czf site.tgz site
            echo "size=$(stat -c %s site.tgz)" >> "$ROTA_OUTPUT"
          artifacts: {site: site.tgz}
    """

    command: Annotated[str | list[Word], ShellText(), Field(min_length=1, repr=False)]
    """Text for the shell, or a list of words that is run as it is, without a shell."""
    shell: str = Field(default="sh", min_length=1)
    """The shell, with options where it needs some: `bash -o pipefail`."""
    fail_fast: bool = True
    """End at the first command that fails (`set -e`)."""

    def command_line(self, ctx: Context, folder: Path) -> Sequence[str]:
        """Return the words, or the shell with a file of the text."""
        if isinstance(self.command, list):
            return [str(word) for word in self.command]
        try:
            shell = shlex.split(self.shell)
        except ValueError as error:
            raise TaskFailed(f"`shell` cannot be read: {error}", retryable=False) from None
        script = folder / "command.sh"
        script.write_text(self.command if self.command.endswith("\n") else f"{self.command}\n", encoding="utf-8")
        script.chmod(0o600)
        return [*shell, *(["-e"] if self.fail_fast else []), str(script)]
