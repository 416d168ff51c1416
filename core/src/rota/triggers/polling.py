"""Polling triggers: each poll on a thread of its own, its events and its memory on record together.

A poll that does not come back is reported, and holds one of the places that polls have until it does; the others go on.
What was taken is acknowledged to the source once it is on record, by the same poll, on a thread of its own. Until
that is done it is part of the memory, and is acknowledged before the source is asked for more: also after a crash.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any

from rota.extensions import Event, Trigger
from rota.flows.models import Flow
from rota.flows.triggers import AnyTrigger, PluginTrigger
from rota.store import failpoints, triggers
from rota.triggers.context import Means, TriggerContext
from rota.triggers.firing import Made, Row, Start
from rota.triggers.poll import Poll, acknowledge, names_of, run_poll
from rota.triggers.turn import Key, Turn, key_of

logger = logging.getLogger("rota.triggers")
KIND = "event"
PLACES = 32
"""So many polls run at a time."""
HANGS = 120.0
"""Seconds after which a poll that has not come back is reported, or its interval where that is longer."""
SLOWEST = 3600.0
"""Seconds between two polls at the most, however often they fail."""
_STATE, _OWED = "state", "unacknowledged"


class Polling:
    """Starts the polls that are due, and takes in what they bring."""

    def __init__(
        self,
        trigger_type: Callable[[str], type[Trigger]],
        means: Callable[[str], Means],
        variables: Callable[[str], Mapping[str, Any]],
        wake: Callable[[], object],
    ) -> None:
        """`means` and `variables` are by namespace; `wake` has the evaluator do a turn."""
        self._trigger_type = trigger_type
        self._means = means
        self._variables = variables
        self._wake = wake
        self.running: dict[Key, Poll] = {}
        """The polls that have not come back."""
        self._acknowledged: dict[Key, list[str]] = {}
        self._ended: SimpleQueue[Poll] = SimpleQueue()

    # --- the kind: a trigger is due

    def look(self, turn: Turn, row: Row, flow: Flow, trigger: AnyTrigger) -> None:
        """Start a poll, unless the last one is still under way."""
        assert isinstance(trigger, PluginTrigger)
        interval = trigger.interval.total_seconds()
        turn.move(row, next_at=turn.now + interval)
        running = self.running.get(key_of(row))
        if running is not None:
            self._report(turn, row, running, max(HANGS, interval))
            return
        if len(self.running) >= PLACES:
            hanging = sum(poll.hangs or poll.ctx.cancelled.is_set() for poll in self.running.values())
            turn.move(row, next_at=turn.now + 1.0)
            if hanging == PLACES:
                turn.failed(row, f"all {PLACES} places for polls are held by polls that do not come back")
            return
        cls = self._trigger_type(row["type"])  # a plugin that is missing is this trigger's failure
        self._start(turn, row, flow, trigger, cls)

    def _start(self, turn: Turn, row: Row, flow: Flow, trigger: PluginTrigger, cls: type[Trigger]) -> None:
        means = self._means(row["namespace"])
        memory = row["state"] or {}
        ctx = TriggerContext(row["namespace"], row["flow"], row["trigger"], memory.get(_STATE) or {}, means)
        owed = [_event(one) for one in memory.get(_OWED) or ()]
        if self._acknowledged.get(key_of(row)) == [event.key for event in owed]:
            owed = []  # that was done here, and only the record does not say so yet
        poll = Poll(dict(row), flow, trigger, ctx, turn.now, owed)
        self.running[key_of(row)] = poll
        names = names_of(poll, self._variables(row["namespace"]), partial(_secret, ctx))
        turn.after.append(lambda: self._run(poll, lambda: run_poll(poll, cls, names, means.masker)))

    def _run(self, poll: Poll, work: Callable[[], object]) -> None:
        def run() -> None:
            work()
            self._ended.put(poll)
            self._wake()

        poll.begun = True
        threading.Thread(target=run, name=f"rota-poll-{poll.ctx.task_run_id}", daemon=True).start()

    def _report(self, turn: Turn, row: Row, poll: Poll, patience: float) -> None:
        taken = turn.now - poll.started_at
        if taken > patience:
            poll.hangs = True
            poll.ctx.stop()
            turn.failed(row, f"a poll has not come back for {taken:.0f} s; nothing is polled until it does")

    # --- the source: polls have ended

    def take(self, turn: Turn) -> float | None:
        """Take in what polls have brought."""
        while True:
            try:
                poll = self._ended.get_nowait()
            except Empty:
                return None
            if self.running.get(key_of(poll.row)) is poll:
                del self.running[key_of(poll.row)]
            if poll.ctx.cancelled.is_set():  # it was given up: its place is free, and nothing of it counts
                continue
            if poll.acknowledged:
                self._acknowledged[key_of(poll.row)] = poll.acknowledged
            if poll.error:
                turn.failed(poll.row, poll.error)
                turn.move(poll.row, next_at=turn.now + self._pause(poll))
            elif not poll.taken:
                self._take(turn, poll)

    def _take(self, turn: Turn, poll: Poll) -> None:
        row = poll.row
        starts = [
            Start(row, KIND, event.key, turn.now if event.date is None else event.date.timestamp(), event.data)
            for event in poll.events
        ]
        made = turn.start(starts, poll.flow, poll.trigger)
        memory = self._memory(poll)
        if any(one.error for one in made):
            # What could start has started, and starts nothing when it is seen again; the rest is seen again.
            turn.move(row, next_at=turn.now + self._pause(poll))
            memory = row["state"]
        elif not made:
            turn.worked(row)
        if made or memory != (row["state"] or {_STATE: {}}):
            turn.writes.append(partial(self._remember, turn, poll, memory, made))
            turn.after.append(partial(self._remembered, poll, turn.now))

    def _memory(self, poll: Poll) -> dict[str, Any]:
        acknowledges = poll.instance is not None and type(poll.instance).ack is not Trigger.ack
        owed = [_record(one) for one in poll.events] if acknowledges else []
        return {_STATE: poll.state, **({_OWED: owed} if owed else {})}

    def _pause(self, poll: Poll) -> float:
        interval = poll.trigger.interval.total_seconds()
        return float(min(max(SLOWEST, interval), interval * 2 ** min(poll.row["failures"], 10)))

    def _remember(self, turn: Turn, poll: Poll, memory: dict[str, Any] | None, made: list[Made], conn: Any) -> None:
        """Write a trigger's memory; where it was switched off or defined anew meanwhile, nothing of the poll counts."""
        failpoints.hit("poll.before_commit")
        poll.taken = triggers.remember(conn, poll.row, memory)
        if not poll.taken:
            turn.drop(made)
        poll.owed = poll.events if memory and _OWED in memory and memory is not poll.row["state"] else []

    def _remembered(self, poll: Poll, now: float) -> None:
        """Tell the source what was taken: the second half of the poll, which until then is under way."""
        failpoints.hit("poll.after_commit")
        if poll.taken and poll.owed:
            poll.started_at = now
            self.running[key_of(poll.row)] = poll
            self._run(poll, lambda: acknowledge(poll))

    def forget(self) -> None:
        """Give up the polls under way: what they bring would not be this server's to take, or was not written."""
        for poll in self.running.values():
            poll.ctx.stop()
        # They keep their places until they come back, and find that they were given up.
        self.running = {key: poll for key, poll in self.running.items() if poll.begun}


def _record(event: Event) -> list[Any]:
    return [event.key, dict(event.data), None if event.date is None else event.date.astimezone(UTC).isoformat()]


def _event(record: list[Any]) -> Event:
    key, data, date = record
    return Event(key, data, None if date is None else datetime.fromisoformat(date))


def _secret(ctx: TriggerContext, name: str, **_: Any) -> Any:
    return ctx.secret(name)  # each poll asks anew: there is nothing that could be stale
