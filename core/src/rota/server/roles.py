"""What only one server does at a time, as seen from one server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rota.store import roles

if TYPE_CHECKING:
    from rota.conductor.conductor import Conductor


class Role:
    """A role that this process's conductor takes when it is free, and keeps as long as it lives."""

    def __init__(self, conductor: Conductor, name: str) -> None:
        self._conductor = conductor
        self._name = name
        self._held = False

    def holds(self) -> bool:
        """Say whether the role is this server's, and take it if it is free.

        Once held it is not asked for again: who takes it over adopts the conductor first, whose transactions then fail.
        """
        if not self._held:
            with self._conductor.store.read() as conn:
                mine = roles.holder(conn, self._name) == self._conductor.id
                free = mine or roles.is_free(conn, self._name)
            if free:
                self._held = self._conductor.submit(lambda conn: roles.take(conn, self._name, self._conductor.id))
        return self._held
