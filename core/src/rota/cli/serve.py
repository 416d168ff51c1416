"""`rota serve`: runs deployed flows until it is told to stop."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from rota.cli.application import pass_application

if TYPE_CHECKING:
    from rota.server.application import Application

logger = logging.getLogger("rota.server")


@click.command()
@click.option(
    "--only",
    multiple=True,
    metavar="PART",
    help="Run this part alone; several with commas, or given again: "
    "executions, triggers, alerts, flows, hooks, services.",
)
@click.option(
    "--log-format",
    type=click.Choice(("human", "json")),
    default="human",
    show_default=True,
    help="Lines for people, or a JSON object a line.",
)
@click.option(
    "--probe-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A file that is touched while the server lives, and holds `ready` or `not ready`.",
)
@click.option("--probe-port", type=click.IntRange(0, 65535), help="Answer /live and /ready at this port (0: any).")
@click.option("--probe-host", default="127.0.0.1", show_default=True, help="The address of --probe-port.")
@pass_application
def command(
    app: Application,
    only: tuple[str, ...],
    log_format: str,
    probe_file: Path | None,
    probe_port: int | None,
    probe_host: str,
) -> None:
    """Run deployed flows, and all that goes with it, until stopped.

    SIGTERM or Ctrl-C drains: nothing new starts, what runs may go on for `drain_timeout`, the rest is handed over. A
    second signal ends what runs at once. SIGHUP reads the settings and the folders of flows anew. The log goes to
    stderr; systemd is told how it goes where it asks for that (`Type=notify`).
    """
    from rota.errors import RotaError
    from rota.server.notify import Notifier
    from rota.server.probes import probing
    from rota.server.server_log import log_to_stderr
    from rota.server.vitals import Vitals

    log_to_stderr(log_format)
    vitals = Vitals(Notifier.from_environment())
    parts = [name.strip() for names in only for name in names.split(",") if name.strip()]
    try:
        with (
            _signals(app) as (stop, reload),
            probing(vitals, file=probe_file, host=probe_host, port=probe_port),
        ):
            app.serve(stop, only=parts, reload=reload, vitals=vitals)
    except RotaError as error:
        if log_format == "human":
            raise
        logger.critical("%s", error)
        raise click.exceptions.Exit(error.exit_code) from None


@contextmanager
def _signals(app: Application) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Give the events that SIGTERM or SIGINT, and SIGHUP, set while the block runs."""
    stop, reload = threading.Event(), threading.Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            app.hurry()
        stop.set()

    handlers = {signal.SIGTERM: end, signal.SIGINT: end, signal.SIGHUP: lambda *_: reload.set()}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield stop, reload
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
