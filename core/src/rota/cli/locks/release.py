"""`rota locks release`: takes a lock away from who holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rota.cli import options
from rota.cli.application import pass_application
from rota.cli.output import say

if TYPE_CHECKING:
    from rota.server.application import Application


@click.command()
@click.argument("id", type=int)
@options.yes
@pass_application
def command(app: Application, id: int, yes: bool) -> None:
    """Take the lock request ID away and give the lock to the next who waits.

    Whoever held it does not notice: make sure that what it was for has ended.
    """
    options.confirm(f"Release lock request {id}, whatever its holder is doing?", yes=yes)
    app.locks.release(id)
    say(f"released {id}")
