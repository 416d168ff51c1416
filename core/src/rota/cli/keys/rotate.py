"""`rota keys rotate`: a new key for the secrets in the database."""

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
    """Make a new key, encrypt everything in the database anew with it, and drop the old ones.

    Servers on other machines need the new file before they start something.
    """
    say(f"encrypted {app.maintenance.rotate_keys()} values with a new key in {app.settings.secret_key_file}")
