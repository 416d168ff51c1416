"""Ends what runs before the lease does, should the conductor be unable to renew it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rota.conductor.ownership import Ownership

logger = logging.getLogger("rota.conductor")


class LeaseWatch:
    """A thread of its own, since the conductor's may be waiting for the very store that cannot be reached.

    With two margins left it asks everything that runs to end, with half a margin left it kills the programs.
    """

    def __init__(self, ownership: Ownership, cancel: Callable[[], None], kill: Callable[[], None]) -> None:
        self._ownership, self._cancel, self._kill = ownership, cancel, kill
        self._closed = threading.Event()
        threading.Thread(target=self._run, name="rota-lease-watch", daemon=True).start()

    def close(self) -> None:
        """Watch no more."""
        self._closed.set()

    def _run(self) -> None:
        margin, done = self._ownership.margin, 0
        while not self._closed.wait(margin / 4):
            left = self._ownership.left()
            if left > 2 * margin:
                done = 0
            if left < 2 * margin and done == 0:
                done = 1
                logger.warning("the lease cannot be renewed: what runs is being ended")
                self._cancel()
            if left < margin / 2 and done == 1:
                done = 2
                self._kill()
