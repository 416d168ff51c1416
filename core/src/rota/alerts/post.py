"""The post office: which message goes to which sink when, and what becomes of those that a sink does not take."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rota.alerts.digest import digest_of
from rota.alerts.sender import Sender, Sent
from rota.executions.identity import new_execution_id
from rota.store import Connection, conditions, deliveries

if TYPE_CHECKING:
    from rota.alerts.sinks import Sinks
    from rota.store import Store

logger = logging.getLogger("rota.alerts")
FIRST_WAIT = 10.0
LONGEST_WAIT = 900.0
"""Seconds until a message is tried again: twice as long each time."""
LONGEST_REST = 300.0
"""Seconds for which a sink that fails again and again is left alone, whatever waits for it."""
GIVE_UP = 86400.0
"""Seconds after which a message that no try has brought to its sink is given up."""
FAILING = 3
"""So many failures in a row, and people are told on the other sinks."""
HANGS = 60.0
"""Seconds after which a sink that does not answer is said to hang."""
TOGETHER = 5
"""So many messages that wait for one sink become one."""
Row = Mapping[str, Any]


@dataclass(slots=True)
class Health:
    """How a sink does: failures in a row, and when it last took a message."""

    failures: int = 0
    failed_at: float = 0.0
    taken_at: float = 0.0
    hangs: bool = False

    @property
    def rests_until(self) -> float:
        """Until when it is left alone."""
        if self.failures < FAILING:
            return 0.0
        return self.failed_at + min(LONGEST_REST, _wait(self.failures - FAILING + 1))


@dataclass(slots=True)
class Outcome:
    """What is to be written about messages, and which tries that settles."""

    writes: list[Callable[[Connection], object]] = field(default_factory=list)
    tries: list[Sent] = field(default_factory=list)
    hanging: list[str] = field(default_factory=list)


class Post:
    """Sends what is queued in the store; all writing is the caller's."""

    def __init__(self, sinks: Sinks, clock: Callable[[], float], wake: threading.Event) -> None:
        self._sinks = sinks
        self._clock = clock
        self._wake = wake
        self._ended: queue.SimpleQueue[Sent] = queue.SimpleQueue()
        self._settled: list[Sent] = []
        self._senders: dict[str, Sender] = {}
        self._health: dict[str, Health] = {}

    # --- what came of it

    def outcomes(self) -> Outcome:
        """Return what is to be written about the tries that have ended; `settle` says that it was."""
        while not self._ended.empty():
            self._settled.append(self._ended.get())
        outcome = Outcome(tries=list(self._settled))
        for sent in outcome.tries:
            outcome.writes.append(self._write_of(sent))
        for name, sender in self._senders.items():
            health = self._health.setdefault(name, Health())
            if sender.hangs_for() > HANGS and not health.hangs:
                outcome.hanging.append(name)
                sender.cancel()
                outcome.writes.append(_failing(name, f"has not answered for {HANGS:.0f} s", self._clock()))
        return outcome

    def settle(self, outcome: Outcome) -> None:
        """Forget the tries whose outcome is on disk."""
        self._settled = [sent for sent in self._settled if sent not in outcome.tries]
        for name in outcome.hanging:
            self._health[name].hangs = True
        for sent in outcome.tries:
            self._senders[sent.delivery["sink"]].taken = False
            health = self._health.setdefault(sent.delivery["sink"], Health())
            health.hangs = False
            health.failures = health.failures + 1 if sent.error else 0
            if sent.error:
                health.failed_at = sent.at
            else:
                health.taken_at = sent.at

    def _write_of(self, sent: Sent) -> Callable[[Connection], object]:
        delivery, name = sent.delivery, str(sent.delivery["sink"])
        attempts = int(delivery["attempts"]) + 1
        failures = self._health.get(name, Health()).failures
        if not sent.error:
            return lambda conn: _taken(conn, delivery["id"], name, attempts, sent.at, was_down=failures > 0)
        failures += 1
        logger.warning("sink `%s` did not take a message, try %d: %s", name, attempts, sent.error)
        next_at: float | None = sent.at + min(LONGEST_WAIT, _wait(attempts))
        state = "queued"
        if sent.at > float(delivery["created_at"]) + GIVE_UP:
            next_at, state = None, "failed"

        def write(conn: Connection) -> None:
            values = {"attempts": attempts, "last_at": sent.at, "last_error": sent.error}
            deliveries.update(conn, delivery["id"], state=state, next_at=next_at, **values)
            if failures >= FAILING:
                _failing(name, f"takes no messages: {sent.error}", sent.at)(conn)

        return write

    # --- what goes out

    def dispatch(self, store: Store, now: float) -> tuple[list[Callable[[Connection], object]], float | None]:
        """Give what is due to sinks that are free; return what is to be written first, and when to look again.

        Whatever is to be written takes part in the next call, once it is on disk.
        """
        waits: list[float] = []
        writes: list[Callable[[Connection], object]] = []
        with store.read() as conn:
            by_sink: dict[str, list[Row]] = {}
            for row in deliveries.due(conn, now):
                by_sink.setdefault(row["sink"], []).append(row)
            for name, rows in by_sink.items():
                free_at = self._free_at(conn, name, now)
                if free_at is None:
                    continue
                if free_at > now:
                    waits.append(free_at)
                elif merged := self._together(name, rows, now):
                    writes.append(merged)
                else:
                    self._sender(name).give(min(rows, key=lambda row: int(row["attempts"])))
            next_due = deliveries.next_due(conn, now)
        if next_due is not None:
            waits.append(next_due)
        return writes, min(waits, default=None)

    def busy(self) -> bool:
        """Whether anything is being sent."""
        return any(sender.sending for sender in self._senders.values())

    def _free_at(self, conn: Connection, name: str, now: float) -> float | None:
        """Return when the sink may be sent something, or None where a try is on its way and will wake us."""
        sender = self._senders.get(name)
        if sender is not None and sender.taken:
            return None
        section, rests_until = self._sinks.section(name), self._health.get(name, Health()).rests_until
        if section is None or rests_until > now:
            return max(now, rests_until)
        per = section.limit.per.total_seconds()
        times = deliveries.sent_times(conn, name, now - per)
        return now if len(times) < section.limit.messages else times[-section.limit.messages] + per

    def _together(self, name: str, rows: Sequence[Row], now: float) -> Callable[[Connection], object] | None:
        """Return what makes one message of many, where many wait."""
        taken_at = self._health.get(name, Health()).taken_at
        # What the sink refused while it took others is best tried again by itself.
        waiting = [row for row in rows if row["last_at"] is None or row["last_at"] >= taken_at]
        if len(waiting) < TOGETHER:
            return None
        merged_id = new_execution_id()
        one = {
            "id": merged_id,
            "message": new_execution_id(),
            "sink": name,
            "rule": rows[0]["rule"] if len({row["rule"] for row in waiting}) == 1 else "",
            "alert": digest_of([row["alert"] for row in waiting], now),
            "created_at": now,
            "next_at": now,
        }

        def write(conn: Connection) -> None:
            deliveries.add(conn, [one])
            deliveries.merge(conn, [row["id"] for row in waiting], merged_id)

        return write

    def _sender(self, name: str) -> Sender:
        if name not in self._senders:
            self._senders[name] = Sender(name, self._sinks, self._clock, self._take_back)
        return self._senders[name]

    def _take_back(self, sent: Sent) -> None:
        self._ended.put(sent)
        self._wake.set()


def _taken(conn: Connection, delivery_id: str, sink: str, attempts: int, at: float, *, was_down: bool) -> None:
    values = {"attempts": attempts, "last_at": at, "sent_at": at, "next_at": None, "last_error": None}
    deliveries.update(conn, delivery_id, state="sent", **values)
    conditions.clear(conn, "sink", sink, at=at)
    if was_down:
        deliveries.hurry(conn, sink, at=at)


def _wait(tries: int) -> float:
    return FIRST_WAIT * 2.0 ** min(tries - 1, 16)


def _failing(sink: str, how: str, at: float) -> Callable[[Connection], object]:
    return lambda conn: conditions.raise_(conn, "sink", sink, f"sink `{sink}` fails\n{how}", at=at)
