"""What becomes of executions whose conductor is gone: servers take them over, what a person ran by hand is marked."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rota.conductor.giving_up import end_executions, report
from rota.conductor.ownership import MARGIN, LeaseLost, mended_by_waiting
from rota.conductor.places import free_left_over
from rota.errors import PluginError, RotaError, StoreError
from rota.executions.models import Problem
from rota.store import Connection, Store, conductors, executions, failpoints
from rota.store.presence import claim

if TYPE_CHECKING:
    from rota.conductor.conductor import Conductor

Row = dict[str, Any]
ADOPTIONS = 5
"""How often an execution is taken over without having got anywhere before it is called poison."""
AT_ONCE = 100
"""How many executions that nobody owns are taken in one transaction."""
DIED = Problem("lost", "the process that ran it has died")
ORPHANED = Problem("lost", "the execution that waited for it is gone")


class Recovery:
    """Takes over what nobody drives any more."""

    def __init__(self, conductor: Conductor) -> None:
        self._conductor = conductor
        self.more = False
        """Whether there was more that nobody owns than was taken the last time."""
        self._foreign: dict[int, str] = {}
        """Revisions that cannot run here for want of a plugin, and what is missing."""

    @property
    def _store(self) -> Store:
        return self._conductor.store

    # --- from the dead

    def adopt_dead(self) -> None:
        """Find conductors that died; take over what a server may take, mark as lost what a person ran by hand."""
        own = self._conductor
        for dead in own.ownership.read(lambda conn: conductors.expired(conn, own.ownership.margin)):
            if dead == own.id:
                continue
            if self._store.path is None:
                self._adopt(dead)
            elif presence := claim(self._store.path, dead):
                try:
                    self._adopt(dead)
                finally:
                    presence.release()

    def _adopt(self, dead: str) -> None:
        own = self._conductor
        left = own.ownership.read(lambda conn: executions.of_owner(conn, dead))
        wanted = [row["id"] for row in self._for_us(left)]
        if left and not wanted and not own.server:
            return  # a server sees to it
        taken: list[Row] = []

        def adopt(conn: Connection) -> None:
            taken.clear()
            rows = conductors.adopt(conn, dead, own.id, wanted, margin=own.ownership.margin)
            if rows is None:
                return
            taken.extend(rows)
            if own.server:
                conductors.release(conn, dead)
            free_left_over(conn, self._store, dead)
            conductors.forget(conn)
            failpoints.hit("adoption.inside")

        own.ownership.commit(adopt)
        own.ownership.look_again()
        failpoints.hit("adoption.after_commit")
        self._take_all(self._sound(taken))
        failpoints.hit("adoption.loaded")

    def _for_us(self, rows: Iterable[Row]) -> list[Row]:
        """Return the rows of whole families that this process may take."""
        families = _families(rows)
        found: list[Row] = []
        for members in families.values():
            local = members[0]["mode"] == "local"
            if local or (self._conductor.server and all(self._can_run(row) for row in members)):
                found += members
        return found

    def _can_run(self, row: Row) -> bool:
        """Whether every task type of an execution's revision is here; what else is wrong shows when it is taken."""
        number = row["revision_id"]
        if number in self._foreign:
            return False
        own = self._conductor
        try:
            if own.revisions.known(number, row["namespace"]) is not None:
                return True
            own.ownership.read(lambda conn: own.revisions.get(conn, number, row["namespace"]))
        except PluginError as error:
            self._foreign[number] = error.message
            own.ownership.report(f"{row['namespace']}/{row['flow']} is left to other servers: {error.message}")
            return False
        except StoreError:
            raise
        except RotaError:
            return True
        return True

    # --- from nobody

    def take_unowned(self) -> None:
        """Take executions that nobody owns, if every task type of theirs is here."""
        own = self._conductor
        free = own.ownership.read(self._unowned)
        wanted = [row["id"] for row in free if self._can_run(row)]
        taken: list[Row] = []

        def take(conn: Connection) -> None:
            taken[:] = executions.take_families(conn, wanted, own.id)

        if wanted:
            own.ownership.commit(take)
            self._take_all(taken)
        self.more = len(free) == AT_ONCE and bool(taken or not wanted)
        if self.more:
            own.ownership.look_again()

    def _unowned(self, conn: Connection) -> list[Row]:
        found = executions.unowned(conn, AT_ONCE, without=list(self._foreign))
        self._conductor.revisions.read_ahead(conn, [(row["revision_id"], row["namespace"]) for row in found])
        return found

    # --- both

    def _take_all(self, rows: Iterable[Row]) -> None:
        own = self._conductor
        for family, members in _families(rows).items():
            root = next((row for row in members if row["id"] == family), None)
            if root is None:
                self._end(members, ORPHANED)
            elif root["mode"] == "local":
                own.giving_up.family(family, DIED)
            else:
                self._take(root)
                self._end([row for row in members if not self._is_known(row)], ORPHANED)

    def _sound(self, rows: list[Row]) -> list[Row]:
        """Give up the families that were taken over too often, and return the rest."""
        poison = {
            row["id"]: row["adoptions"]
            for row in rows
            if row["root_id"] == row["id"] and row["mode"] == "server" and row["adoptions"] >= ADOPTIONS
        }
        for family, times in poison.items():
            problem = Problem("poison", f"it was taken over {times} times without progress")
            self._conductor.giving_up.family(family, problem)
        return [row for row in rows if row["root_id"] not in poison]

    def _is_known(self, row: Row) -> bool:
        own = self._conductor
        return row["id"] in own.driver.lives or row["root_id"] not in own.driver.lives

    def _take(self, row: Row) -> None:
        """Drive an execution that is ours now, from where its rows say that it is."""
        own = self._conductor
        if row["id"] in own.driver.lives:
            return
        try:
            own.rebuilding.reopen(own.lifecycle.adopt_row(None, row))
        except LeaseLost:
            raise
        except Exception as error:
            if isinstance(error, StoreError) and mended_by_waiting(error):
                raise
            if not isinstance(error, RotaError):
                own.ownership.report("".join(traceback.format_exception(error)).rstrip())
            own.giving_up.family(row["id"], Problem("internal", f"it cannot go on: {error}"))

    def _end(self, rows: list[Row], problem: Problem) -> None:
        own = self._conductor
        if rows:
            own.driver.batch.writes.add(
                str(rows[0]["id"]), lambda conn: end_executions(conn, self._store, rows, problem)
            )


def bury(store: Store, lease: float) -> None:
    """Mark what `rota run` processes that have died left behind: lost, and failed; and say so on the log.

    For processes without a conductor of their own, before they write. `lease` is how long leases are, in seconds.
    """
    with store.read() as conn:
        late = conductors.expired(conn, lease / MARGIN)
        suspects = [one for one in late if any(map(_is_local, executions.of_owner(conn, one)))]
    for dead in suspects:
        presence = claim(store.path, dead) if store.path is not None else None
        if store.path is not None and presence is None:
            continue
        try:
            _bury(store, dead, lease / MARGIN)
        finally:
            if presence is not None:
                presence.release()


def _bury(store: Store, dead: str, margin: float) -> None:
    with store.write() as conn:
        rows = [row for row in executions.of_owner(conn, dead) if _is_local(row)]
        if not rows or conductors.adopt(conn, dead, dead, [row["id"] for row in rows], margin=margin) is None:
            return
        end_executions(conn, store, rows, DIED)
        conductors.forget(conn)
    for row in rows:
        if row["root_id"] == row["id"]:
            report(row["id"], DIED)


def _is_local(row: Row) -> bool:
    return bool(row["mode"] == "local")


def living_servers(store: Store) -> list[Row]:
    """Return the servers that live, as far as can be seen from here."""
    with store.read() as conn:
        rows = [row for row in conductors.every(conn) if row["state"] == "serving"]
        dead = set(conductors.expired(conn, 0.0)) if store.path is None else set()
    alive = []
    for row in rows:
        if store.path is not None:
            presence = claim(store.path, row["id"])
            if presence is not None:
                presence.release()
                continue
        elif row["id"] in dead:
            continue
        alive.append(row)
    return alive


def _families(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["root_id"], []).append(row)
    return found
