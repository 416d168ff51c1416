"""Which triggers react to the ends of executions, kept as long as no flow is deployed, deleted or switched."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from rota.errors import RotaError
from rota.flows.models import Flow
from rota.flows.triggers import FlowCondition, FlowTrigger, TriggerKeys
from rota.store import Connection, Store, triggers
from rota.triggers.firing import Row
from rota.triggers.flow_shelf import FlowShelf

logger = logging.getLogger("rota.triggers")


@dataclass(frozen=True, slots=True)
class Reaction:
    """A `flow` trigger of a deployed flow."""

    row: Row
    flow: Flow
    trigger: FlowTrigger

    def conditions_met_by(self, execution: Row, state: str) -> list[int]:
        """Return which of its conditions the end of an execution meets, by number."""
        own = self.row["namespace"]
        return [at for at, one in enumerate(self.trigger.after) if is_met(one, own, execution, state)]


def is_met(condition: FlowCondition, own: str, execution: Row, state: str) -> bool:
    """Say whether an execution that ended in `state` is meant; `own` is the namespace of the flow that reacts."""
    wanted = condition.namespace or own
    above = wanted.removesuffix(".*")
    inside = execution["namespace"] == above or (above != wanted and execution["namespace"].startswith(f"{above}."))
    labels = execution["labels"] or {}
    return (
        inside
        and condition.flow in (None, execution["flow"])
        and state in condition.states
        and all(labels.get(name) == value for name, value in condition.labels.items())
    )


class FlowBook:
    """The reactions, and the triggers with `stop_after`. Read again when `version` of the store has moved."""

    def __init__(self, store: Store, shelf: FlowShelf) -> None:
        self._store = store
        self._shelf = shelf
        self._version: Any = None
        self._reactions: list[Reaction] = []
        self._started: dict[tuple[str, str, str], TriggerKeys | None] = {}

    def forget(self) -> None:
        """Read it anew when it is next asked for."""
        self._version = None

    def reactions(self) -> list[Reaction]:
        """Return the `flow` triggers that are on."""
        with self._store.read() as conn:
            version = triggers.version(conn)
            if version != self._version:
                self._reactions = self._read(conn)
                self._started.clear()
                self._version = version
        return self._reactions

    def trigger(self, execution: Row) -> TriggerKeys | None:
        """Return the trigger that started an execution, as its flow has it now; None where there is none."""
        name = (execution["trigger"] or {}).get("id")
        if name is None:
            return None
        key = (execution["namespace"], execution["flow"], name)
        if key not in self._started:
            self._started[key] = self._trigger(*key)
        return self._started[key]

    def _trigger(self, namespace: str, flow: str, name: str) -> TriggerKeys | None:
        with self._store.read() as conn:
            revision = triggers.revision_of(conn, namespace, flow, name)
        try:
            return None if revision is None else self._shelf.trigger(revision, name)
        except RotaError:
            return None

    def _read(self, conn: Connection) -> list[Reaction]:
        found = []
        for row in triggers.of_type(conn, "flow"):
            try:
                flow = self._shelf.flow(row["revision_id"])
                trigger = self._shelf.trigger(row["revision_id"], row["trigger"])
            except RotaError as error:
                logger.warning("trigger `%s` of %s/%s: %s", row["trigger"], row["namespace"], row["flow"], error)
                continue
            if isinstance(trigger, FlowTrigger):
                found.append(Reaction(row, flow, trigger))
        return found
