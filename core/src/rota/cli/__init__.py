"""The launcher: `rota`, one module a command; nothing heavy is imported before a command needs it."""

from __future__ import annotations

import gc
import sys

from rota.cli.launcher import launch


def main() -> None:
    """Run the command that the arguments name, and end the process with its exit code."""
    # What is imported stays: to look for garbage among it takes a tenth of the time of a short command. A conductor,
    # which lives longer, looks more often.
    gc.set_threshold(500_000, *gc.get_threshold()[1:])
    sys.exit(launch(sys.argv[1:]))
