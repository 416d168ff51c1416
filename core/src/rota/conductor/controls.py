"""What people ask of running executions, from other processes: applied once, by the owner."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from rota.executions.models import LimitsChanged, Problem, Resumed, State
from rota.store import commands

if TYPE_CHECKING:
    from rota.conductor.conductor import Conductor
    from rota.conductor.live import Live

logger = logging.getLogger("rota.conductor")


class Controls:
    """Applies commands from rows, and keeps the leases of secrets."""

    def __init__(self, conductor: Conductor) -> None:
        self._conductor = conductor

    def apply(self) -> None:
        """Apply the commands that are open for executions of ours."""
        own = self._conductor
        rows = own.ownership.read(lambda conn: commands.open_for(conn, own.id))
        for row in rows:
            live = own.driver.lives.get(row["execution_id"])
            if live is None:
                continue
            own.driver.batch.of = live.family
            result = self._apply_one(live, row["kind"], row["payload"] or {})
            own.driver.batch.writes.append(
                lambda conn, row=row, result=result: commands.applied(conn, row["id"], result, at=time.time())
            )

    def _apply_one(self, live: Live, kind: str, payload: dict[str, Any]) -> Any:
        own = self._conductor
        if kind == "cancel":
            self.cancel(live)
        elif kind == "place_granted":
            own.lifecycle.places.granted(live.id)
        elif kind == "place_freed":
            own.lifecycle.places.ask_again(live)
        elif kind == "lock_granted":
            own.locking.granted([{"execution_id": live.id, **payload}])
        elif kind == "restart":
            own.rebuilding.restart(live, targets=payload.get("targets"))
        else:
            frame = live.frame_of(payload.get("path", ""))
            if frame is None:
                return {"error": "that part of the execution has ended"}
            if kind == "resume":
                if payload.get("inputs") is not None:
                    # The answers came sealed: what they hold is written as it is.
                    frame.outputs[payload["node"]] = payload["inputs"]
                own.driver.feed(frame, Resumed(payload["node"], bool(payload.get("reject"))))
            elif kind == "limits":
                limits = LimitsChanged(payload["node"], payload["max_parallel"], payload["max_failures"])
                own.driver.feed(frame, limits)
        return {"ok": True}

    def cancel(self, live: Live) -> None:
        """Cancel an execution, begun or still waiting for its place."""
        own = self._conductor
        if live.state in (State.CREATED, State.QUEUED):
            own.lifecycle.end(live, State.CANCELLED, Problem("cancel", "it was cancelled before it began"))
        else:
            own.driver.cancel(live)
