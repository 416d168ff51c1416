"""Tells plugins of executions' new states: read from the outbox, at least once, off the conductor's thread."""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from rota.errors import StoreError
from rota.store import executions, outbox

if TYPE_CHECKING:
    from rota.server.application import Application

logger = logging.getLogger("rota.server")
CURSOR = "execution_changed"
INTERVAL, UNTOLD = 30.0, 5.0
"""Seconds between two looks, where the announcer is woken by every write of others, and where it is not."""


class Announcer:
    """Reads the outbox with a cursor of its own and calls `execution_changed`."""

    name = "hooks"

    def __init__(self, app: Application, wake: threading.Event) -> None:
        self._app = app
        self._wake = wake

    def run(self, stop: threading.Event) -> None:
        """Announce until `stop` is set: whenever it is woken, and now and then."""
        while not stop.is_set():
            self._wake.clear()
            try:
                while self.announce():
                    pass
            except StoreError as error:
                logger.warning("the outbox cannot be read: %s", error)
            if not stop.is_set():
                self._wake.wait(INTERVAL if self._app.store.tells_of_writes else UNTOLD)

    def announce(self, limit: int = 500) -> int:
        """Announce up to `limit` changes, then move the cursor; return how many there were."""
        store = self._app.store
        with store.read() as conn:
            changes, position = outbox.after(conn, outbox.cursor(conn, CURSOR), limit)
            if not changes:
                return 0
            rows = {row["id"]: row for row in executions.get_many(conn, [change["execution_id"] for change in changes])}
        for change in changes:
            row = rows.get(change["execution_id"])
            if row is None:
                continue
            execution = {
                "id": row["id"],
                "namespace": row["namespace"],
                "flow": row["flow"],
                "state": change["state"],
                "run": change["run"],
            }
            for complaint in self._app.plugins.execution_changed(execution):
                logger.warning("%s", complaint)
        with store.write() as conn:
            outbox.move(conn, CURSOR, position)
        return len(changes)
