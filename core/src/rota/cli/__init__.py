"""The launcher: `rota`, one module a command; nothing heavy is imported before a command needs it."""

from __future__ import annotations

import sys

from rota.cli.launcher import launch


def main() -> None:
    """Run the command that the arguments name, and end the process with its exit code."""
    sys.exit(launch(sys.argv[1:]))
