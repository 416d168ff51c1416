"""Sends to one sink, on a thread of its own: a slow sink holds up nobody but itself."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rota.alerts.sink_context import SinkContext
from rota.alerts.sinks import Sinks
from rota.errors import RotaError
from rota.extensions import Alert

logger = logging.getLogger("rota.alerts")
_LONGEST_ERROR = 500


@dataclass(frozen=True, slots=True)
class Sent:
    """How one try ended: `error` is empty where the sink took the message."""

    delivery: Mapping[str, Any]
    error: str
    at: float


class Sender:
    """Sends one message at a time; `ended` is called with what came of it."""

    def __init__(self, name: str, sinks: Sinks, clock: Callable[[], float], ended: Callable[[Sent], object]) -> None:
        self.name = name
        self.taken = False
        """Whether it has a message: from when that was given until what came of it is on disk."""
        self._since: float | None = None
        self._sinks = sinks
        self._clock = clock
        self._ended = ended
        self._ctx: SinkContext | None = None

    @property
    def sending(self) -> bool:
        """Whether the sink has not answered yet."""
        return self._since is not None

    def hangs_for(self) -> float:
        """Return for how many seconds the sink has not answered."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since

    def give(self, delivery: Mapping[str, Any]) -> None:
        """Send a message, on another thread."""
        self.taken, self._since = True, time.monotonic()
        threading.Thread(target=self._send, args=(delivery,), name=f"rota-sink-{self.name}", daemon=True).start()

    def cancel(self) -> None:
        """Ask the sink to give up."""
        if self._ctx is not None:
            self._ctx.stop()

    def _send(self, delivery: Mapping[str, Any]) -> None:
        error = ""
        try:
            self._sinks.ready(self.name).send(alert_of(delivery), self._begun)
        except RotaError as failure:
            error = str(failure)
        except BaseException as failure:  # noqa: BLE001 - whatever it is, the message is not sent
            error = type(failure).__name__
        if error:
            self._sinks.forget(self.name)
        self._ctx = None
        self._ended(Sent(delivery, " ".join(error.split())[:_LONGEST_ERROR], self._clock()))
        self._since = None

    def _begun(self, ctx: SinkContext) -> None:
        self._ctx = ctx


def alert_of(delivery: Mapping[str, Any]) -> Alert:
    """Return what the sink gets; its id is that of the delivery."""
    values = {name: value for name, value in delivery["alert"].items() if name != "merged"}
    return Alert(id=delivery["id"], **{**values, "date": datetime.fromtimestamp(values["date"], UTC)})
