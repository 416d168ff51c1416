"""One poll of a plugin's trigger: fields rendered and validated, the source asked, what came back checked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from rota.errors import RotaError, TaskFailed
from rota.executions.interpreter.values import is_template
from rota.executions.masking import Masker
from rota.executions.prepare import validated
from rota.extensions import Event, Trigger
from rota.flows.models import Flow
from rota.flows.task_fields import compile_field
from rota.flows.templates import secret_values
from rota.flows.triggers import PluginTrigger
from rota.store import failpoints
from rota.triggers.context import TriggerContext

MOST = 10_000
"""So many events of one poll are taken; a trigger that gives more is asked again for the rest."""
LONGEST_KEY = 500


@dataclass
class Poll:
    """A poll under way, or what came of it. `state` and `events` are there once it worked, else `error`.

    `owed` is what the source is to be told was taken: before it is asked, or once `taken` says that it is on record;
    `acknowledged` has the keys of what it was told.
    """

    row: dict[str, Any]
    flow: Flow
    trigger: PluginTrigger
    ctx: TriggerContext
    started_at: float
    owed: list[Event] = field(default_factory=list)
    instance: Trigger | None = None
    masker: Callable[[str], str] = str
    events: list[Event] = field(default_factory=list)
    state: dict[str, Any] | None = None
    error: str = ""
    acknowledged: list[str] = field(default_factory=list)
    taken: bool = False
    begun: bool = False
    hangs: bool = False


def run_poll(poll: Poll, cls: type[Trigger], names: Mapping[str, Any], masker: Masker) -> None:
    """Acknowledge what is owed, poll, and note what came of it; it never raises."""
    poll.masker = masker
    try:
        poll.instance = _instance(poll.trigger, cls, names, masker)
        if poll.owed and not acknowledge(poll):
            return
        events = poll.instance.poll(poll.ctx)
        poll.events = checked_events(events, type(poll.instance).__name__)
        poll.state = poll.ctx.memory.values_now
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        poll.error = masker(_text(error))


def acknowledge(poll: Poll) -> bool:
    """Tell the source what was taken, and return whether that worked, else `error` says why; it never raises."""
    assert poll.instance is not None
    try:
        poll.instance.ack(poll.owed)
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        poll.error = poll.masker(f"what was taken cannot be acknowledged: {_text(error)}")
        return False
    failpoints.hit("poll.after_ack")
    poll.acknowledged = [event.key for event in poll.owed]
    return True


def _text(error: Exception) -> str:
    return error.message if isinstance(error, RotaError) else f"{type(error).__name__}: {error}"


def names_of(poll: Poll, variables: Mapping[str, Any], secret: Any) -> dict[str, Any]:
    """Return the names that the fields of a trigger may use."""
    given = {**variables, **poll.flow.variables}
    return {
        "vars": {name: value for name, value in given.items() if not is_template(value)},
        "flow": {"id": poll.flow.id, "namespace": poll.row["namespace"], "timezone": poll.flow.timezone},
        "secret": secret,
        "now": lambda: datetime.now(UTC),
    }


def _instance(trigger: PluginTrigger, cls: type[Trigger], names: Mapping[str, Any], masker: Masker) -> Trigger:
    values = {name: compile_field(cls, name, value).render(names) for name, value in trigger.fields.items()}
    for secret in secret_values(values):
        masker.add_all(secret)
    return validated(cls, values)


def checked_events(events: Any, name: str) -> list[Event]:
    """Return what a poll gave as events whose data is JSON. Raises TaskFailed for anything else."""
    if not isinstance(events, Iterable) or isinstance(events, (str, bytes, Mapping)):
        raise TaskFailed(f"`{name}.poll` must return events, it returned a value of type `{type(events).__name__}`")
    found = []
    for event in events:
        if not isinstance(event, Event):
            kind = type(event).__name__
            raise TaskFailed(f"`{name}.poll` must return events, one was of type `{kind}`")
        key: object = event.key
        if not isinstance(key, str) or not 0 < len(key) <= LONGEST_KEY:
            raise TaskFailed(f"`{name}.poll` returned an event without a key of 1 to {LONGEST_KEY} characters")
        if event.date is not None and event.date.tzinfo is None:
            raise TaskFailed(f"`{name}.poll` returned an event whose date has no timezone")
        found.append(Event(event.key, _data(event, name), event.date))
        if len(found) > MOST:
            raise TaskFailed(f"`{name}.poll` returned more than {MOST:,} events", hint="give them a few at a time")
    return found


def _data(event: Event, name: str) -> Mapping[str, Any]:
    try:
        data = json.loads(json.dumps(dict(event.data), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise TaskFailed(f"`{name}.poll`: the data of event `{event.key[:80]}` is no JSON: {error}") from None
    found: Mapping[str, Any] = data
    return found
