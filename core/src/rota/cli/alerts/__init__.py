"""`rota alerts`: what people were told, and what they are not to be told."""

from __future__ import annotations

import click

from rota.cli.alerts import list as list_
from rota.cli.alerts import retry, show, silence, silences, test, unsilence
from rota.cli.grouping import add_commands


@click.group()
def command() -> None:
    """Look at alerts and where they went, silence them, and test the sinks."""


add_commands(command, list_, show, retry, silence, silences, unsilence, test)
