"""Makes messages of incidents that are due, unless they are silenced, and queues them for the sinks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from typing import TYPE_CHECKING, Any

from rota.alerts.incidents import Incident, Incidents
from rota.alerts.messages import Message, compose
from rota.alerts.rules import Rule, Rules
from rota.alerts.wording import IN_FULL, Targets
from rota.executions.identity import new_execution_id
from rota.store import Connection, deliveries, incidents, silences

if TYPE_CHECKING:
    from rota.store import Store

logger = logging.getLogger("rota.alerts")
Write = Callable[[Connection], object]


class Teller:
    """Tells people of incidents, by way of the queue in the store."""

    def __init__(self, rules: Rules, sinks: Sequence[str], zone: tzinfo, store: Store) -> None:
        self._rules = rules
        self._sinks = sinks
        self._zone = zone
        self._store = store

    def tell(self, book: Incidents, now: float, writes: list[Write]) -> bool:
        """Add what queues a message for each rule with something due; return whether there is any."""
        due = book.due(now)
        if not due:
            return False
        with self._store.read() as conn:
            quiet = silences.active(conn, now)
        rows: list[dict[str, Any]] = []
        for name, found in due.items():
            rows += self._of_rule(book, name, _loud(book, found, quiet), now)
        if rows:
            writes.append(lambda conn: deliveries.add(conn, rows))
        return bool(rows)

    def review_silences(self, book: Incidents, now: float) -> None:
        """Tell of what was silenced by a silence that a person has ended since."""
        waiting = book.silenced()
        if not waiting:
            return
        with self._store.read() as conn:
            hold = {silence["id"] for silence in silences.active(conn, now)}
        for incident in waiting:
            if incident.silence_id not in hold:
                book.silence(incident, None, now)

    def _of_rule(self, book: Incidents, name: str, found: list[Incident], now: float) -> list[dict[str, Any]]:
        if not found:
            return []
        found.sort(key=lambda one: (one.opened_at, one.namespace, one.flow, one.key))
        rule = self._rules.named(name, found[-1].revision_id)
        if rule is None or rule.model.disabled:
            for incident in found:
                book.forget(incident)
            return []
        # Of sinks that fail others are told than of everything else.
        of_sinks = [one for one in found if one.kind == "sink"]
        rest = [one for one in found if one.kind != "sink"]
        rows = []
        for group in filter(None, (rest, of_sinks)):
            message = compose(rule, group, self._targets(rule, group), self._zone, now)
            message_id = new_execution_id()
            book.told(name, group, message_id, now)
            rows += self._queued(message, message_id, [one.key for one in of_sinks], now)
        return rows

    def _queued(self, message: Message, message_id: str, failing: Sequence[str], now: float) -> list[dict[str, Any]]:
        # Of a sink that fails the others are told, whoever was meant to be.
        sinks = message.sinks or [name for name in self._sinks if name not in failing]
        if not sinks:
            logger.error("nobody can be told: %s", message.alert["title"])
        return [
            {
                "id": new_execution_id(),
                "message": message_id,
                "sink": sink,
                "rule": message.rule,
                "alert": dict(message.alert),
                "created_at": now,
                "next_at": now,
            }
            for sink in sinks
        ]

    def _targets(self, rule: Rule, found: Sequence[Incident]) -> Mapping[str, Targets]:
        own_words = rule.model.text is not None or rule.model.title is not None
        shown = found if len(found) <= IN_FULL else found[:1] if own_words else []
        ids = {one.execution_id for one in shown if one.execution_id and one.kind in ("execution", "secret")}
        with self._store.read() as conn:
            return {name: Targets(*incidents.failed_targets(conn, name)) for name in sorted(ids)}


def _loud(book: Incidents, found: Sequence[Incident], quiet: Sequence[Mapping[str, Any]]) -> list[Incident]:
    """Return the incidents that no silence fits; the others wait for its end."""
    loud = []
    for incident in found:
        fitting = [silence for silence in quiet if is_silenced(silence, incident)]
        if fitting:
            last = max(fitting, key=lambda silence: float(silence["ends_at"]))
            book.silence(incident, last["id"], last["ends_at"])
        else:
            loud.append(incident)
    return loud


def is_silenced(silence: Mapping[str, Any], incident: Incident) -> bool:
    """Whether a silence is for an incident."""
    namespace = silence["namespace"]
    if namespace is not None and incident.namespace != namespace and not incident.namespace.startswith(f"{namespace}."):
        return False
    wanted = (("flow", incident.flow), ("rule", incident.rule), ("kind", incident.kind))
    if any(silence[name] is not None and silence[name] != value for name, value in wanted):
        return False
    return all(incident.labels.get(name) == value for name, value in (silence["labels"] or {}).items())
