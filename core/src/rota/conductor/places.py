"""Keyed concurrency: places of a flow, counted from rows in the transaction that takes or frees one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from rota.conductor.live import Live
from rota.conductor.locking import tell_of_locks
from rota.executions.models import Problem, State
from rota.store import Connection, commands, executions, locks

if TYPE_CHECKING:
    from rota.conductor.driver import Driver
    from rota.conductor.lifecycle import Lifecycle
    from rota.store import Store


class Places:
    """Gives places to executions of ours, and hands on those that they free."""

    def __init__(self, lifecycle: Lifecycle, driver: Driver, store: Store, owner: str) -> None:
        self._lifecycle = lifecycle
        self._driver = driver
        self._store = store
        self._owner = owner

    def ask(self, live: Live) -> None:
        """Take a place in this turn's transaction if there is one, else do what `on_limit` says."""
        concurrency = live.revision.flow.concurrency
        assert concurrency is not None
        answer: dict[str, Any] = {}

        def take(conn: Connection) -> None:
            places = executions.alive_places(conn, live.view.namespace, live.view.flow, live.row["place_key"])
            ahead = [other for other in places.queued if other < live.id]
            answer["free"] = live.id in places.held or len(places.held) + len(ahead) < concurrency.limit
            answer["ancestors"] = self._only_ancestors(live, places.held, concurrency.limit)
            if answer["free"]:
                executions.update(conn, live.id, state=State.RUNNING.value)

        batch = self._driver.batch
        batch.writes.append(take)
        batch.after.append(lambda: self._answered(live, answer))

    def _only_ancestors(self, live: Live, held: list[str], limit: int) -> bool:
        """Whether every place is held by executions that wait for this one: none could ever come free."""
        outer: set[str] = set()
        one = live
        while one.parent is not None:
            one = one.parent[0]
            outer.add(one.id)
        return len(outer.intersection(held)) >= limit

    def _answered(self, live: Live, answer: dict[str, Any]) -> None:
        concurrency = live.revision.flow.concurrency
        assert concurrency is not None
        name = f"`{live.view.namespace}/{live.view.flow}`"
        if live.state.ended:
            return
        if answer["free"]:
            self._lifecycle.start(live)
        elif answer["ancestors"]:
            message = f"every place of {name} is held by an execution that waits for this one"
            self._lifecycle.end(live, State.FAILED, Problem("concurrency", message, retryable=False))
        elif concurrency.on_limit == "queue":
            self._lifecycle.become(live, State.QUEUED)
        else:
            state = State.CANCELLED if concurrency.on_limit == "cancel" else State.FAILED
            message = f"{name} has all {concurrency.limit} of its places taken"
            self._lifecycle.end(live, state, Problem("concurrency", message, retryable=False))

    def hand_on(self, live: Live) -> None:
        """Give the place that `live` frees to the first in the queue, in the transaction that ends it."""
        concurrency = live.revision.flow.concurrency
        if concurrency is None:
            return
        mine: list[str] = []

        def give(conn: Connection) -> None:
            mine.clear()
            places = executions.alive_places(conn, live.view.namespace, live.view.flow, live.row["place_key"])
            for next_id in places.queued[: max(0, concurrency.limit - len(places.held))]:
                row = executions.get(conn, next_id)
                if row is None or row["owner"] is None:
                    continue
                executions.update(conn, next_id, state=State.RUNNING.value)
                if row["owner"] == self._owner:
                    mine.append(next_id)
                else:
                    commands.add(conn, next_id, "place_granted", at=time.time())
                    self._store.notify(conn, "commands")

        batch = self._driver.batch
        batch.writes.append(give)
        batch.after.append(lambda: self._granted_all(mine))

    def _granted_all(self, ids: list[str]) -> None:
        for execution_id in ids:
            self.granted(execution_id)

    def keep(self, live: Live) -> None:
        """Keep the place of an execution that ends: a thread of it has been given up and still runs."""
        self._driver.batch.writes.append(lambda conn: executions.keep_place(conn, live.row, at=time.time()))

    def ask_again(self, live: Live) -> None:
        """Ask once more for an execution that waits: somebody's end has gone unnoticed."""
        if live.state in (State.CREATED, State.QUEUED):
            self.ask(live)

    def granted(self, execution_id: str) -> None:
        """Start an execution of ours that was given a place."""
        live = self._driver.lives.get(execution_id)
        if live is not None and live.state in (State.CREATED, State.QUEUED):
            self._lifecycle.start(live)


def free_left_over(conn: Connection, store: Store, owner: str) -> None:
    """Free the locks and places that threads of a conductor's ended executions kept: they are gone, as it is."""
    over = locks.left_over(conn, owner)
    tell_of_locks(conn, store, locks.release_all(conn, over, at=time.time()))
    tell_of_places(conn, store, executions.get_many(conn, over))


def tell_of_places(conn: Connection, store: Store, rows: list[dict[str, Any]]) -> None:
    """Have everybody ask again who waits for a place that one of these executions may have held."""
    for key in {(row["namespace"], row["flow"], row["place_key"]) for row in rows if row["place_key"] is not None}:
        for execution_id in executions.alive_places(conn, *key).queued:
            commands.add(conn, execution_id, "place_freed", at=time.time())
            store.notify(conn, "commands")
