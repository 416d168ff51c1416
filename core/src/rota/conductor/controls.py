"""What people ask of running executions, from other processes: applied once, by the owner."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rota.executions.models import LimitsChanged, Problem, Resumed, State
from rota.extensions import Lease
from rota.store import commands, leases

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
                lambda conn, row=row, result=result: commands.applied(conn, row["id"], result, at=time.time())  # type: ignore[misc]
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

    # --- leases of secrets

    def renew_leases(self, now: float) -> None:
        """Have a worker renew the secrets' leases that end soon, and revoke those of executions that are over."""
        own = self._conductor
        soon = now + max(30.0, 3 * own.ownership.lease)
        ending = own.ownership.read(lambda conn: leases.expiring(conn, own.id, soon))
        over = own.ownership.read(leases.left_over) if own.server else []
        if ending or over:
            _in_background(lambda: self._keep(ending, over))

    def revoke(self, execution_id: str) -> None:
        """Have the leases of an execution that has ended revoked."""
        own = self._conductor
        rows = own.ownership.read(lambda conn: leases.active_of(conn, execution_id))
        if rows:
            _in_background(lambda: self._keep([], rows))

    def _keep(self, ending: list[dict[str, Any]], over: list[dict[str, Any]]) -> None:
        own = self._conductor
        for row in ending:
            try:
                renewed = self._backend(row).renew(self._lease(row))
            except Exception as error:
                logger.warning("the lease of secret `%s` could not be renewed: %s", row["path"], error)
                continue
            duration = renewed.duration.total_seconds()
            text = own.resources.keyring.encrypt(
                {"id": renewed.id, "duration": duration, "renewable": renewed.renewable}
            )
            ends = time.time() + duration
            own.submit(lambda conn, row=row, text=text, ends=ends: leases.renewed(conn, row["id"], text, ends))  # type: ignore[misc]
        for row in over:
            try:
                self._backend(row).revoke(self._lease(row))
            except Exception as error:
                logger.warning("the lease of secret `%s` could not be revoked: %s", row["path"], error)
                continue
            own.submit(lambda conn, row=row: leases.ended(conn, row["id"]))  # type: ignore[misc]

    def _backend(self, row: dict[str, Any]) -> Any:
        return self._conductor.resources.secret_backends[row["backend"]]

    def _lease(self, row: dict[str, Any]) -> Lease:
        found = self._conductor.resources.keyring.decrypt(row["lease"])
        return Lease(found["id"], timedelta(seconds=found["duration"]), found["renewable"])


def _in_background(do: Any) -> None:
    import threading

    threading.Thread(target=do, name="rota-leases", daemon=True).start()
