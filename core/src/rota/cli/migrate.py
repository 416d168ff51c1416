"""`rota migrate`: brings the database up to this version."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rota.cli.application import pass_application
from rota.cli.output import say

if TYPE_CHECKING:
    from rota.server.application import Application


@click.command()
@pass_application
def command(app: Application) -> None:
    """Bring the database up to this version.

    PostgreSQL is migrated by this command alone, while older servers may go on; an SQLite file is migrated when it is
    opened, after a copy was made.
    """
    before, after = app.maintenance.migrate()
    if before == after:
        say(f"the database is up to date: revision {after}")
    else:
        say(f"migrated the database from {before or 'nothing'} to revision {after}")
