"""What `rota serve` runs: the conductor for deployed flows, and the parts beside it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from rota.server.parts import Running, chosen, parts_of

if TYPE_CHECKING:
    from rota.conductor.conductor import Conductor
    from rota.server.application import Application

logger = logging.getLogger("rota.server")
BEAT = 0.5
"""Seconds between two looks at whether everything still runs."""


def serve(
    app: Application,
    stop: threading.Event,
    *,
    only: Iterable[str] = (),
    beat: Callable[[Conductor, Running], object] = lambda *_: None,
) -> None:
    """Run until `stop` is set, then drain; `beat` is called about twice a second.

    `only` names the parts to run, default all. Raises UsageError for one that there is not, and whatever keeps the
    server from running.
    """
    names = chosen(only)
    conductor = app.conductor(server="executions" in names)

    def listen() -> threading.Event:
        event = threading.Event()
        conductor.listeners.append(event)
        return event

    parts = list(parts_of(app, names, listen))
    logger.info("serving as %s", conductor.id)
    running = Running(parts, stop, conductor.announce)
    try:
        while not stop.wait(BEAT):
            if conductor.failure is not None:
                raise conductor.failure
            beat(conductor, running)
    finally:
        logger.info("draining")
        running.end()
        app.close(drain=None)
        logger.info("stopped")
