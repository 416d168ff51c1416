"""Locks for frames: asked for and freed in the conductor's own transaction, handed on across conductors."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rota.conductor.live import LiveFrame
from rota.executions.models import Acquire, LockGranted, LockQueued, LockRefused, Problem, Release
from rota.store import Connection, commands, locks

if TYPE_CHECKING:
    from rota.conductor.driver import Driver
    from rota.conductor.iterations import Iterations
    from rota.store import Store


class Locking:
    """Carries out `Acquire` and `Release`, and takes in what others have handed on."""

    def __init__(self, driver: Driver, store: Store, iterations: Iterations, owner: str) -> None:
        self._driver = driver
        self._store = store
        self._iterations = iterations
        self._owner = owner
        self._waits: dict[locks.Address, float] = {}
        """Until when those wait that do not wait for ever."""

    def acquire(self, frame: LiveFrame, command: Acquire) -> None:
        """Ask for a lock within the transaction of this turn; the answer is fed after the commit."""
        key = command.key
        if command.index is not None:
            key = self._iterations.lock_key(frame, command.node, command.index)
        who = _address(frame, command)
        now = time.time()
        expires = None if command.wait is None else now + command.wait
        answers: list[locks.Answer] = []

        def ask(conn: Connection) -> None:
            answers[:] = [
                locks.ask(
                    conn,
                    key,
                    who,
                    root_id=frame.live.family,
                    at=now,
                    expires_at=expires,
                    ancestors=_ancestors(frame, command.node, command.index),
                )
            ]

        frame.live.locked = True
        self._driver.batch.writes.append(ask)
        self._driver.batch.after.append(lambda: self._answered(frame, command, key, who, answers[0], expires))

    def _answered(
        self,
        frame: LiveFrame,
        command: Acquire,
        key: str,
        who: locks.Address,
        answer: locks.Answer,
        expires: float | None,
    ) -> None:
        feed = self._driver.feed
        if answer.held:
            feed(frame, LockGranted(command.node, command.index))
        elif answer.circle:
            chain = " → ".join(
                [f"`{key}`", *(f"`{row['key']}` ({row['execution_id']} {row['node']})" for row in answer.circle)]
            )
            problem = Problem(
                "lock", f"waiting for the lock `{key}` would close a circle of waiters: {chain}", command.node
            )
            feed(frame, LockRefused(command.node, problem, command.index))
            if command.index is not None:
                self._iterations.refused(frame, command.node, command.index, problem)
        else:
            if expires is not None:
                self._waits.setdefault(who, expires)
            if command.index is not None:
                feed(frame, LockQueued(command.node, command.index))

    def release(self, frame: LiveFrame, command: Release) -> None:
        """Free a lock, and give it to whoever is next; put off while a thread of the execution was given up."""
        who = _address(frame, command)
        self._waits.pop(who, None)
        if frame.live.abandoned:
            frame.live.deferred.append(lambda: self._release(lambda conn: locks.release(conn, [who], at=time.time())))
        else:
            self._release(lambda conn: locks.release(conn, [who], at=time.time()))

    def release_all(self, execution_id: str) -> None:
        """Free whatever an execution holds or waits for."""
        for who in [who for who in self._waits if who[0] == execution_id]:
            del self._waits[who]
        self._release(lambda conn: locks.release_all(conn, [execution_id], at=time.time()))

    def _release(self, free: Callable[[Connection], list[dict[str, Any]]]) -> None:
        mine: list[dict[str, Any]] = []

        def write(conn: Connection) -> None:
            granted = free(conn)
            mine[:] = [row for row in granted if row["owner"] == self._owner]
            tell_of_locks(conn, self._store, [row for row in granted if row["owner"] != self._owner])

        self._driver.batch.writes.append(write)
        self._driver.batch.after.append(lambda: self.granted(mine))

    def waits(self, rows: list[dict[str, Any]]) -> None:
        """Take over until when requests of an execution that was rebuilt may wait."""
        for row in rows:
            if not row["held"] and row["expires_at"] is not None:
                self._waits[(row["execution_id"], row["path"], row["node"], row["idx"])] = row["expires_at"]

    def granted(self, rows: list[dict[str, Any]]) -> None:
        """Feed locks that were handed to executions of ours: rows with `execution_id, path, node, idx`."""
        for row in rows:
            self._waits.pop((row["execution_id"], row["path"], row["node"], row["idx"]), None)
            live = self._driver.lives.get(row["execution_id"])
            frame = live.frame_of(row["path"]) if live is not None else None
            if frame is not None:
                index = None if row["idx"] == locks.NO_INDEX else row["idx"]
                self._driver.feed(frame, LockGranted(row["node"], index))

    def next_expiry(self) -> float | None:
        """Return when the next wait is over, or None."""
        return min(self._waits.values(), default=None)

    def expire(self, now: float) -> None:
        """Refuse the locks that were waited for long enough."""
        for who in [who for who, expires in self._waits.items() if expires <= now]:
            del self._waits[who]
            execution_id, path, node, idx = who
            live = self._driver.lives.get(execution_id)
            frame = live.frame_of(path) if live is not None else None
            if frame is None:
                continue
            index = None if idx == locks.NO_INDEX else idx
            problem = Problem("lock", f"`{node}` waited for its lock longer than its `wait`", node)
            self._release(lambda conn, who=who: locks.release(conn, [who], at=time.time()))  # type: ignore[misc]
            self._driver.feed(frame, LockRefused(node, problem, index))
            if index is not None:
                self._iterations.refused(frame, node, index, problem)


def tell_of_locks(conn: Connection, store: Store, granted: list[dict[str, Any]]) -> None:
    """Tell the owners of requests for locks that these are held now."""
    for row in granted:
        if row["owner"] is not None:
            payload = {"path": row["path"], "node": row["node"], "idx": row["idx"]}
            commands.add(conn, row["execution_id"], "lock_granted", payload, at=time.time())
            store.notify(conn, "commands")


def _address(frame: LiveFrame, command: Acquire | Release) -> locks.Address:
    index = locks.NO_INDEX if command.index is None else command.index
    return (frame.live.id, frame.path, command.node, index)


def _ancestors(frame: LiveFrame, node: str, index: int | None) -> list[locks.Address]:
    """Everything whose end the asker is part of: enclosing scopes and iterations, outward through subflows."""
    found: list[locks.Address] = []
    if index is not None:
        found.append((frame.live.id, frame.path, node, locks.NO_INDEX))
    one: LiveFrame | None = frame
    while one is not None:
        parent = one.program.nodes[node].parent
        while parent is not None:
            found.append((one.live.id, one.path, parent.id, locks.NO_INDEX))
            parent = parent.parent
        if one.parent is not None:
            found.append((one.live.id, one.parent.path, one.parent_node, one.index))
            found.append((one.live.id, one.parent.path, one.parent_node, locks.NO_INDEX))
            node, one = one.parent_node, one.parent
        elif one.live.parent is not None:
            _, outer, node = one.live.parent
            found.append((outer.live.id, outer.path, node, locks.NO_INDEX))
            one = outer
        else:
            one = None
    return found
