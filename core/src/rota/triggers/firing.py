"""Makes executions of what triggers saw: `when`, `inputs`, `labels` rendered, each firing unique, all at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from rota.errors import ExpressionError, RotaError
from rota.executions.interpreter.values import is_template
from rota.flows.models import Flow
from rota.flows.templates import compile_expression, compile_value, is_secret
from rota.flows.triggers import TriggerKeys
from rota.store import Connection, executions, triggers

logger = logging.getLogger("rota.triggers")
Row = dict[str, Any]


class MakeRow(Protocol):
    """Makes the row of a new execution. Raises InputError, ExpressionError."""

    def __call__(
        self,
        flow: Flow,
        namespace: str,
        revision_id: int,
        inputs: Mapping[str, Any],
        *,
        labels: Mapping[str, str],
        trigger: Mapping[str, Any],
    ) -> Row: ...


@dataclass(frozen=True, slots=True)
class Start:
    """What a trigger saw, and an execution of its flow should be made of.

    `kind` and `key` make the firing unique in the trigger; `date` is `trigger.date`, in seconds since 1970; `event` is
    `trigger.event`, as expressions see it. `inputs` go over those that the trigger gives.
    """

    trigger: Row
    kind: str
    key: str
    date: float
    event: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Made:
    """A start with the execution that it makes; None where `when` said no, or where it cannot be made: see `error`."""

    start: Start
    execution: Row | None = None
    error: str = ""


class Firing:
    """Turns starts into rows, and writes them."""

    def __init__(self, make_row: MakeRow, variables: Callable[[str], Mapping[str, Any]], timezone: str) -> None:
        """`variables` gives those of a namespace; dates are shown in `timezone` unless the flow has its own."""
        self._make_row = make_row
        self._variables = variables
        self._timezone = timezone

    def make(self, start: Start, flow: Flow, trigger: TriggerKeys) -> Made:
        """Render what the trigger says, and make the execution. It never raises: see `error` of what it returns."""
        try:
            return self._make(start, flow, trigger)
        except RotaError as error:
            return Made(start, error=error.message)
        except Exception as error:
            logger.exception("trigger `%s` of %s/%s", trigger.id, start.trigger["namespace"], start.trigger["flow"])
            return Made(start, error=f"{type(error).__name__}: {error}")

    def _make(self, start: Start, flow: Flow, trigger: TriggerKeys) -> Made:
        row, zone = start.trigger, ZoneInfo(flow.timezone or self._timezone)
        date = datetime.fromtimestamp(start.date, UTC)
        seen = {"id": trigger.id, "type": trigger.type, "date": date.astimezone(zone), "event": start.event}
        variables = {**self._variables(row["namespace"]), **flow.variables}
        names = {
            "trigger": seen,
            "vars": {name: value for name, value in variables.items() if not is_template(value)},
            "flow": {"id": flow.id, "namespace": row["namespace"], "timezone": str(zone)},
            "now": lambda: datetime.now(zone),
        }
        if trigger.when is not None and not compile_expression(trigger.when).condition(names):
            return Made(start)
        inputs = {name: compile_value(value).render(names) for name, value in trigger.inputs.items()}
        labels = {name: _text(compile_value(value).render(names), name) for name, value in trigger.labels.items()}
        execution = self._make_row(
            flow,
            row["namespace"],
            row["revision_id"],
            {**inputs, **start.inputs},
            labels=labels,
            trigger={**seen, "date": date.isoformat()},
        )
        return Made(start, execution)

    def write(self, conn: Connection, made: Sequence[Made], at: float) -> set[str]:
        """Write firings with their executions; return the executions that are new, the others had been made before."""
        found = {one.execution["id"]: one for one in made if one.execution is not None}
        rows = [
            {name: one.start.trigger[name] for name in ("namespace", "flow", "trigger")}
            | {"kind": one.start.kind, "key": one.start.key, "execution_id": name, "created_at": at}
            for name, one in found.items()
        ]
        new = triggers.fire(conn, rows) if rows else set()
        executions.insert_many(conn, [one.execution for name, one in found.items() if name in new and one.execution])
        return new


def _text(value: Any, name: str) -> str:
    if is_secret(value):
        raise ExpressionError(f"the label `{name}` uses a secret, which may not steer a flow")
    return str(value)
