"""`rota serve`: runs deployed flows until it is told to stop."""

from __future__ import annotations

import logging
import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING

import click

from rota.cli.application import pass_application

if TYPE_CHECKING:
    from rota.server.application import Application


@click.command()
@pass_application
def command(app: Application) -> None:
    """Run deployed flows, and the services of plugins, until stopped.

    SIGTERM or Ctrl-C drains: nothing new starts, what runs may go on for `drain_timeout`, the rest is handed over. A
    second signal ends what runs at once. The log goes to stderr.
    """
    logging.getLogger("rota").setLevel(min(logging.INFO, logging.getLogger("rota").level))
    stop = threading.Event()

    def receive(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            app.hurry()
        stop.set()

    before = {number: signal.signal(number, receive) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        app.serve(stop)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
