"""The evaluator: reads what happened, keeps incidents, tells people. One at a time among all servers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from zoneinfo import ZoneInfo

from rota.alerts.disks import Disks
from rota.alerts.flow_book import FlowBook
from rota.alerts.incidents import Incidents, row_of
from rota.alerts.occurrences import TOLD_STATES, Occurrence, of_condition, of_execution, of_secret
from rota.alerts.post import Post
from rota.alerts.rules import Rules
from rota.alerts.sinks import Backends, Sinks
from rota.alerts.telling import Teller
from rota.errors import StoreError
from rota.store import Connection, conditions, flows, incidents, outbox

if TYPE_CHECKING:
    from rota.plugins import Plugins
    from rota.settings import Settings
    from rota.store import Store

logger = logging.getLogger("rota.alerts")
CURSOR = "alerts"
POLL = 5.0
"""Seconds between two looks at what other servers have written, where the evaluator is not woken by that."""
WATCH = 20.0
"""Seconds between two looks for what did not happen."""
RECENT = 3600.0
"""An evaluator that finds no cursor tells of nothing that is older than so many seconds."""
LAST = 3.0
"""Seconds that an evaluator which ends waits for what sinks say to the last messages."""
PAGE = 500
PAGES = 2
"""So many changes are read in one turn: PAGES times PAGE."""
PATIENCE = 50
"""So many turns people are told nothing while there is always more to read."""

Write = Callable[[Connection], object]


class Submit(Protocol):
    """Runs a write in a transaction that only the living can commit, and returns once it is on disk."""

    def __call__(self, write: Write) -> object: ...


class Watch(Protocol):
    """Looks for what did not happen."""

    kinds: tuple[str, ...]

    def look(self, now: float) -> list[Occurrence]:
        """Return everything that is wrong now."""


@dataclass(frozen=True)
class Surroundings:
    """What the server hands in. `holds` takes the role of the one evaluator, or says that another has it."""

    store: Store
    settings: Settings
    plugins: Plugins
    submit: Submit
    holds: Callable[[], bool]
    backends: Backends
    watches: Sequence[Watch] = ()
    disks: Disks | None = None
    clock: Callable[[], float] = time.time


class Evaluator:
    """Turns round and round on a thread of its own; `wake` has it look at once."""

    def __init__(self, around: Surroundings, wake: threading.Event, book: FlowBook | None = None) -> None:
        self._around = around
        self._wake = wake
        self._flows = book or FlowBook(around.store)
        self._rules = Rules(around.settings, self._flows.of_revision)
        self._sinks = Sinks(around.settings, around.plugins, around.backends)
        self._post = Post(self._sinks, around.clock, wake)
        self._teller = Teller(self._rules, self._sinks.ids, ZoneInfo(around.settings.timezone), around.store)
        self._book: Incidents | None = None
        self._position = ""
        self._since = 0.0
        self._watch_at = 0.0
        self._waited = 0
        self._dispatch_at: float | None = 0.0

    def run(self, stop: threading.Event) -> None:
        """Evaluate until `stop` is set. Raises what keeps it from going on; run again, it begins where it was."""
        while not stop.is_set():
            self._wake.clear()
            wait = self.turn()
            if wait > 0:
                self._wake.wait(wait)
        self._finish()

    def _finish(self) -> None:
        """Write down what became of messages that are on their way, or the next evaluator would send them again."""
        until = time.monotonic() + LAST
        while self._post.busy() and time.monotonic() < until:
            self._wake.clear()
            self._wake.wait(0.1)
        outcome = self._post.outcomes()
        if outcome.writes:
            self._around.submit(lambda conn: [write(conn) for write in outcome.writes])
        self._post.settle(outcome)

    def turn(self) -> float:
        """Do one turn; return for how many seconds there is nothing to do."""
        now = self._around.clock()
        self._look_at_disks(now)
        if not self._around.holds():
            self._book = None
            return POLL
        try:
            if self._book is None:
                self._book = self._load(now)
            return self._turn(self._book, now)
        except BaseException:
            self._book = None  # what is not on disk did not happen
            raise

    def _load(self, now: float) -> Incidents:
        with self._around.store.read() as conn:
            self._position = outbox.cursor(conn, CURSOR)
            found = Incidents.load(incidents.alive(conn))
        self._since = 0.0 if self._position else now - RECENT
        self._watch_at, self._dispatch_at = 0.0, 0.0
        return found

    def _turn(self, book: Incidents, now: float) -> float:
        writes: list[Write] = []
        more = self._take_changes(book, writes)
        self._take_conditions(book, writes)
        outcome = self._post.outcomes()
        writes += outcome.writes
        if now >= self._watch_at:
            self._watch(book, now)
            self._watch_at, self._dispatch_at = now + WATCH, now
        book.expire(now)
        # In the middle of a storm it is better to know more first, but not for ever.
        self._waited = self._waited + 1 if more else 0
        queued = self._waited % PATIENCE == 0 and self._teller.tell(book, now, writes)
        self._save(book, writes)
        self._post.settle(outcome)
        if queued or outcome.tries:
            self._dispatch_at = now
        if self._dispatch_at is not None and now >= self._dispatch_at:
            more = self._dispatch(now) or more
        if more or outcome.tries or outcome.hanging:
            return 0.0
        times = (book.next_due(), self._dispatch_at, self._watch_at)
        longest = WATCH if self._around.store.tells_of_writes else POLL
        return max(0.0, min(longest, *(at - now for at in times if at is not None)))

    def _dispatch(self, now: float) -> bool:
        """Send what is due; return whether there is more to do at once."""
        writes, self._dispatch_at = self._post.dispatch(self._around.store, now)
        if writes:
            self._around.submit(lambda conn: [write(conn) for write in writes])
            self._dispatch_at = now
        return bool(writes)

    def _save(self, book: Incidents, writes: list[Write]) -> None:
        changed = list(book.changed.values())
        if changed:
            # What is over first: of a rule and a key only one may be open.
            over = [row_of(one) for one in changed if one.closed_at is not None]
            still = [row_of(one) for one in changed if one.closed_at is None]
            writes += [lambda conn: incidents.save(conn, over), lambda conn: incidents.save(conn, still)]
        marked = [row_of(one) for name, one in book.marked.items() if name not in book.changed]
        if marked:
            writes.append(lambda conn: incidents.mark(conn, marked))
        if writes:
            self._around.submit(lambda conn: [write(conn) for write in writes])
        book.changed.clear()
        book.marked.clear()

    # --- what happened

    def _take_changes(self, book: Incidents, writes: list[Write]) -> bool:
        """Take in changes of executions; return whether there may be more."""
        position, count = self._position, 0
        for _ in range(PAGES):
            with self._around.store.read() as conn:
                changes, position = outbox.after(conn, position, PAGE)
                told = [change for change in changes if change["state"] in TOLD_STATES]
                rows = incidents.executions_told_of(conn, list({change["execution_id"] for change in told}))
            for change in changes:
                self._take_change(book, change, rows)
            count = len(changes)
            if count < PAGE:
                break
        if position != self._position:
            writes.append(lambda conn: outbox.move(conn, CURSOR, position))
            self._position = position
        return count == PAGE

    def _take_change(self, book: Incidents, change: dict[str, Any], rows: dict[str, dict[str, Any]]) -> None:
        state, at = change["state"], change["created_at"]
        if state != "paused" and book.has_open("execution", change["execution_id"]):
            book.close_all("execution", change["execution_id"], at)
        row = rows.get(change["execution_id"])
        if row is None or state not in TOLD_STATES or row["mode"] != "server" or at < self._since:
            return
        occurrence = of_execution(row, state, change["run"], at)
        self._note(book, occurrence)
        if secret := of_secret(occurrence):
            self._note(book, secret)

    def _take_conditions(self, book: Incidents, writes: list[Write]) -> None:
        with self._around.store.read() as conn:
            rows = conditions.new(conn)
            newest = {
                (row["namespace"], row["flow"]): flows.newest(conn, row["namespace"], row["flow"])
                for row in rows
                if row["flow"]
            }
        for row in rows:
            self._note(book, of_condition(row, newest.get((row["namespace"], row["flow"]))))
        if rows:
            writes.append(lambda conn: conditions.handled(conn, rows))

    def _note(self, book: Incidents, occurrence: Occurrence) -> None:
        book.note(occurrence, self._rules.fitting(occurrence))

    # --- what did not happen

    def _watch(self, book: Incidents, now: float) -> None:
        for watch in self._around.watches:
            try:
                found = watch.look(now)
            except StoreError:
                raise
            except Exception:
                logger.exception("looking for what did not happen failed; all else goes on")
                continue
            wrong = {(one.kind, one.key) for one in found}
            for incident in book.open_of(watch.kinds):
                mine = incident.details.get("watched") == type(watch).__name__
                if mine and (incident.kind, incident.key) not in wrong:
                    book.close(incident, now)
            for occurrence in found:
                self._note(book, occurrence)
        self._teller.review_silences(book, now)

    def _look_at_disks(self, now: float) -> None:
        disks = self._around.disks
        writes: Iterable[Write] = disks.look(now) if disks is not None else ()
        if disks is not None and writes:
            try:
                self._around.submit(lambda conn: [write(conn) for write in writes])
            except BaseException:
                disks.look_again()
                raise
