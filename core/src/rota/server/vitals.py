"""How a server is: whether it lives, whether it is ready, and why not; told to systemd as it changes."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rota.server.notify import Notifier

if TYPE_CHECKING:
    from rota.conductor.conductor import Conductor

STUCK = 30.0
"""Seconds without a turn of the conductor's loop after which a server does not live any more."""


@dataclass(frozen=True, slots=True)
class Health:
    """Why a server is not alive and not ready; empty where it is."""

    not_live: str = ""
    not_ready: str = ""


class Vitals:
    """Asked by probes from any thread; told by the server what it does."""

    def __init__(self, notifier: Notifier | None = None, *, stuck: float = STUCK) -> None:
        self._notifier = notifier or Notifier("")
        self._stuck = stuck
        self._conductor: Conductor | None = None
        self._phase = "starting"
        self._guard = threading.Lock()

    def serving(self, conductor: Conductor) -> None:
        """Note that the server serves, for the first time or after a reload."""
        with self._guard:
            self._conductor, self._phase = conductor, "serving"
        self._notifier.ready()

    def reloading(self) -> None:
        """Note that the settings are being read anew."""
        self._notifier.reloading()

    def draining(self) -> None:
        """Note that nothing starts here any more."""
        with self._guard:
            self._phase = "draining"
        self._notifier.stopping()

    def stopped(self) -> None:
        """Note that it is over."""
        with self._guard:
            self._conductor, self._phase = None, "stopped"

    def health(self) -> Health:
        """Look how the server is."""
        with self._guard:
            conductor, phase = self._conductor, self._phase
        if conductor is None:
            return Health("" if phase == "starting" else "it has stopped", f"it is {phase}")
        not_live = self._not_live(conductor, phase)
        return Health(not_live, not_live or _not_ready(conductor, phase))

    def beat(self) -> Health:
        """Look how the server is, and keep systemd's watchdog quiet if it lives."""
        health = self.health()
        if not health.not_live:
            self._notifier.alive()
        return health

    def _not_live(self, conductor: Conductor, phase: str) -> str:
        if phase == "draining":  # the loop ends meanwhile, and `drain_timeout` limits it
            return ""
        if not conductor.alive():
            return "the conductor's loop has ended"
        still = conductor.still_for()
        return f"the conductor's loop has not turned for {still:.0f} s" if still > self._stuck else ""


def _not_ready(conductor: Conductor, phase: str) -> str:
    if phase != "serving":
        return f"it is {phase}"
    if conductor.ownership.refused:
        return "the store refuses or is out of reach"
    if not conductor.ownership.may_start():
        return "the lease has run out"
    return ""
