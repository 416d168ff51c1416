"""What `rota serve` runs: the conductor for deployed flows, and the parts beside it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rota.server.parts import Running, chosen, parts_of
from rota.server.vitals import Vitals

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
    reload: threading.Event | None = None,
    vitals: Vitals | None = None,
) -> None:
    """Run until `stop` is set, then drain; when `reload` is set, read the settings and the flows anew.

    `only` names the parts to run, default all; `vitals` is told how it goes. Raises UsageError for a part that there
    is not, and whatever keeps the server from running.
    """
    from rota.server.reloading import check_settings

    names, vitals = chosen(only), vitals or Vitals()
    check_settings(app, app.settings)
    conductor = app.conductor(server="executions" in names)
    server = _Server(app, names, conductor, vitals)
    server.begin()
    try:
        while not stop.wait(BEAT):
            server.look()
            if reload is not None and reload.is_set():
                reload.clear()
                server.reload()
    finally:
        conductor.draining.begin()  # at once: the parts may take a while to end
        logger.info("draining")
        vitals.draining()
        server.running.end()
        app.close(drain=None)
        vitals.stopped()
        logger.info("stopped")


class _Server:
    """A conductor and the parts beside it."""

    running: Running

    def __init__(self, app: Application, names: frozenset[str], conductor: Conductor, vitals: Vitals) -> None:
        self._app = app
        self._names = names
        self._conductor = conductor
        self._vitals = vitals
        self._events: dict[str, threading.Event] = {}

    def begin(self) -> None:
        """Make the parts, and run them. Raises what keeps one from being made."""
        self.running = Running(parts_of(self._app, self._names, self._listen), self._conductor.announce)
        logger.info("serving as %s", self._conductor.id)
        self._vitals.serving(self._conductor)

    def look(self) -> None:
        """Raise what ended the conductor, if that is what happened."""
        if self._conductor.failure is not None:
            raise self._conductor.failure

    def reload(self) -> None:
        """Read the settings and the flows anew."""
        from rota.server.reloading import reload

        self._vitals.reloading()
        affected = reload(self._app)
        if affected is None:
            affected = frozenset({"flows"})
        self.running.renew(parts_of(self._app, self._names, self._listen), affected)
        self._vitals.serving(self._conductor)

    def _listen(self, name: str) -> threading.Event:
        """Return the event of a part; the part that comes after it waits for the same."""
        if name not in self._events:
            self._events[name] = threading.Event()
            self._conductor.listeners.append(self._events[name])
        return self._events[name]
