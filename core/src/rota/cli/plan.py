"""`rota plan`: what a run would do, without doing it."""

import click


@click.command()
def command() -> None:
    """Show what a run would do, without doing it."""
