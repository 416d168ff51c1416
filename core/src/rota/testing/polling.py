"""Polls a trigger as a server does: what it remembers moves with what it gives, which is acknowledged after that."""

from __future__ import annotations

from typing import Literal, Protocol

from rota.extensions import Event, Trigger
from rota.testing.recorded import RecordedContext
from rota.triggers.poll import checked_events

Death = Literal["before_commit", "after_commit"]


class Poll(Protocol):
    """What the fixture `poll` gives: see `Poller`."""

    def __call__(self, trigger: Trigger, *, dies: Death | None = None) -> list[Event]: ...


class Poller:
    """Polls with one context, whose `state` is the trigger's memory, time after time."""

    def __init__(self, ctx: RecordedContext) -> None:
        self._ctx = ctx
        self._seen: set[str] = set()
        self._owed: list[Event] = []

    def __call__(self, trigger: Trigger, *, dies: Death | None = None) -> list[Event]:
        """Poll once, and return the events that start something: those whose key was not seen before.

        Data is as expressions see it, after JSON. With `dies` the server dies there: before its commit nothing of the
        poll counts, after it the next poll begins by acknowledging what this one took. Raises what the trigger raises,
        its memory as it was; and TaskFailed for what a server refuses: no events, no key, data that is no JSON.
        """
        if self._owed:
            trigger.ack(self._owed)
            self._owed = []
        before = dict(self._ctx.state)
        try:
            events = checked_events(trigger.poll(self._ctx), type(trigger).__name__)
        except BaseException:
            self._remember(before)
            raise
        if dies == "before_commit":
            self._remember(before)
            return []
        new = list({event.key: event for event in reversed(events) if event.key not in self._seen}.values())[::-1]
        self._seen |= {event.key for event in events}
        self._owed = events
        if dies is None and events:
            trigger.ack(events)
            self._owed = []
        return new

    def _remember(self, values: dict[str, object]) -> None:
        self._ctx.state.clear()
        self._ctx.state.update(values)
