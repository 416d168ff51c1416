"""Triggers, as the facade offers them, and the part of a server that evaluates them."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from rota.errors import Conflict, NotFound, UsageError
from rota.flows.triggers import ScheduleTrigger
from rota.store import audit, flows, triggers
from rota.triggers.dates import dates_of, delay_of
from rota.triggers.firing import Firing, Start
from rota.triggers.flow_shelf import FlowShelf
from rota.triggers.turn import NEVER

if TYPE_CHECKING:
    from rota.flows.models import Flow
    from rota.flows.triggers import AnyTrigger
    from rota.server.application import Application
    from rota.server.backfills import Backfills
    from rota.server.triggers_part import TriggersPart
    from rota.triggers.webhook import Answer, Call

Row = dict[str, Any]
Rows = list[Row]


@dataclass(frozen=True, slots=True)
class _FlowOfRevision:
    id: int
    namespace: str
    flow: Flow


def firing_of(app: Application) -> Firing:
    """Return what makes executions of what triggers see, with the settings of `app`."""
    from rota.conductor.creation import execution_row

    def make_row(
        flow: Flow,
        namespace: str,
        revision_id: int,
        inputs: Mapping[str, Any],
        *,
        labels: Mapping[str, str],
        trigger: Mapping[str, Any],
    ) -> Row:
        revision = _FlowOfRevision(revision_id, namespace, flow)
        author = f"trigger {trigger['id']}"
        return execution_row(app.resources, revision, inputs, labels=labels, trigger=trigger, author=author)

    def variables(namespace: str) -> Mapping[str, Any]:
        return app.settings.namespace_settings(namespace).variables

    return Firing(make_row, variables, app.settings.timezone)


class Triggers:
    """What starts flows."""

    def __init__(self, app: Application) -> None:
        self._app = app

    # --- looking

    def list(self, *, namespace: str | None = None, flow: str | None = None) -> Rows:
        """Return the triggers of deployed flows (of a namespace and those below it), by name.

        Each has `namespace, flow, trigger, type, enabled, disabled` (by the flow itself), `next_at, last_at,
        execution_id, failures, last_error, updated_at`.
        """
        with self._app.store.read() as conn:
            rows = triggers.every(conn)
        return [_shown(row) for row in rows if _is_within(row, namespace) and flow in (None, row["flow"])]

    def get(self, namespace: str, flow: str, trigger: str) -> Row:
        """Return a trigger as `list` does, with its `definition` and, of a schedule, the `upcoming` dates.

        `switched` says who switched it on or off last: `at`, `author`, and where that is its own `stop_after`, the
        `execution_id` and `state` after which it did; None where nobody has.
        """
        row, found = self._found(namespace, flow, trigger)
        with self._app.store.read() as conn:
            last = audit.last(conn, f"{namespace}/{flow}/{trigger}", triggers.SWITCHED)
        switched = last and {"at": last["at"], "author": last["author"], **(last["details"] or {})}
        upcoming = self.upcoming(namespace, flow, trigger) if found.type == "schedule" else []
        definition = found.model_dump(mode="json", exclude_defaults=True)
        return {**_shown(row), "definition": definition, "upcoming": upcoming, "switched": switched}

    def upcoming(self, namespace: str, flow: str, trigger: str, *, count: int = 5, after: float | None = None) -> Rows:
        """Return the next dates of a schedule: `date` and, later by its jitter, `at`; seconds since 1970.

        Raises NotFound, and UsageError for a trigger that is no schedule.
        """
        row, found = self._found(namespace, flow, trigger)
        if not isinstance(found, ScheduleTrigger):
            raise UsageError(f"`{trigger}` is no schedule: it has no dates", hint=f"it is of type `{found.type}`")
        timezone = self._flow(row).timezone or self._app.settings.timezone
        since = time.time() if after is None else after
        dates = islice(dates_of(found, timezone, row["anchor_at"] or since)(since), count)
        name, jitter = f"{namespace}/{flow}/{trigger}", found.jitter.total_seconds()
        return [{"date": date, "at": date + delay_of(name, date, jitter)} for date in dates]

    # --- steering

    def switch(self, namespace: str, flow: str, trigger: str, *, enabled: bool, author: str = "") -> bool:
        """Enable a trigger, from now on, or disable it; return whether that changed anything. Raises NotFound."""
        self._found(namespace, flow, trigger)
        now = time.time()
        with self._app.writable.write() as conn:
            changed = triggers.switch(conn, namespace, flow, trigger, enabled=enabled, at=now)
            if changed:
                action = triggers.ENABLE if enabled else triggers.DISABLE
                audit.add(conn, author, action, f"{namespace}/{flow}/{trigger}", {}, at=now)
            self._app.store.notify(conn, "triggers")
        self._app.wake()
        return changed

    def fire(
        self,
        namespace: str,
        flow: str,
        trigger: str,
        *,
        date: datetime | None = None,
        event: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
        author: str = "",
    ) -> str:
        """Start the flow as the trigger would, now or for a `date`, and return the execution's id.

        `when` is not asked; a server takes the execution. Raises NotFound, InputError, and Conflict when an input or a
        label of the trigger cannot be rendered.
        """
        row, found = self._found(namespace, flow, trigger)
        now = time.time()
        at = date.timestamp() if date is not None else float(int(now))
        start = Start(row, "manual", f"{now:.6f}", at, event or {}, inputs or {})
        made = firing_of(self._app).make(start, self._flow(row), found.model_copy(update={"when": None}))
        if made.execution is None:
            raise Conflict(f"trigger `{trigger}`: {made.error}")
        execution = {**made.execution, "author": author or made.execution["author"]}
        with self._app.writable.write() as conn:
            firing_of(self._app).write(conn, [type(made)(start, execution)], now)
            self._app.store.notify(conn, "executions")
        return str(execution["id"])

    # --- webhooks

    def receive(self, namespace: str, flow: str, trigger: str, call: Call) -> Answer:
        """Take a call for a webhook trigger, and return what to answer: 202 with the execution that it started.

        200 is for a call that was taken before or that `when` says no to, 4xx for what is refused, 503 for what may
        work later. It never raises for what a caller sent.
        """
        from rota.server.webhooks import receive

        return receive(self._app, namespace, flow, trigger, call)

    # --- backfills

    @cached_property
    def backfills(self) -> Backfills:
        """Periods of schedules that are made up for."""
        from rota.server.backfills import Backfills

        return Backfills(self._app)

    # --- the server's part

    def part(self, wake: threading.Event) -> TriggersPart:
        """Return the part of a server that evaluates triggers; `wake` is set when there is something to see."""
        from rota.server.triggers_part import TriggersPart

        return TriggersPart(self._app, wake)

    # --- inside

    def _found(self, namespace: str, flow: str, trigger: str) -> tuple[Row, AnyTrigger]:
        """Return a trigger's row, with the `revision_id` of its flow, and its definition. Raises NotFound."""
        with self._app.store.read() as conn:
            revision = flows.newest(conn, namespace, flow)
            row = triggers.get(conn, namespace, flow, trigger)
        if revision is None:
            raise NotFound(f"there is no flow `{namespace}/{flow}`", hint="`rota flows list` shows them")
        if row is None:
            raise NotFound(f"{namespace}/{flow} has no trigger `{trigger}`", hint="`rota triggers list` shows them")
        return {**row, "revision_id": revision}, FlowShelf(self._app.store).trigger(revision, trigger)

    def _flow(self, row: Row) -> Flow:
        return FlowShelf(self._app.store).flow(row["revision_id"])


def _shown(row: Row) -> Row:
    """Return a trigger's row as people see it: what it remembers, and what only evaluators need, left out."""
    names = ("namespace", "flow", "trigger", "type", "enabled", "last_at", "execution_id", "failures", "last_error")
    next_at = row["next_at"]
    return {
        **{name: row[name] for name in names},
        "disabled": next_at is None,
        "next_at": None if next_at is None or next_at >= NEVER or not row["enabled"] else next_at,
        "updated_at": row["updated_at"],
    }


def _is_within(row: Row, namespace: str | None) -> bool:
    return namespace is None or row["namespace"] == namespace or row["namespace"].startswith(f"{namespace}.")
