"""Incidents: one per rule and key as long as it lasts, whatever happens again meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from rota.alerts.occurrences import Occurrence
from rota.alerts.rules import Rule
from rota.executions.identity import new_execution_id

COOL = 600.0
"""Seconds for which what happens again, and cannot get well, is only counted."""
MANY = 5
"""With so many incidents in one message, the next one of the rule waits longer."""
LONGER = 10.0
"""So many times as long as the rule's `group`."""
Key = tuple[str, str]


@dataclass(slots=True)
class Incident:
    """One row of the store; see the table `incidents`."""

    id: str
    rule: str
    kind: str
    key: str
    namespace: str
    flow: str
    state: str
    severity: str
    execution_id: str | None
    labels: dict[str, str]
    details: dict[str, Any]
    count: int
    opened_at: float
    last_at: float
    closed_at: float | None = None
    pending: Literal["open", "closed"] | None = None
    due_at: float | None = None
    told: str | None = None
    told_closed: str | None = None
    silence_id: int | None = None

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> Incident:
        """Return the incident in a row."""
        return cls(**{**row, "labels": row["labels"] or {}, "details": row["details"] or {}})

    @property
    def revision_id(self) -> int | None:
        """The revision whose rule it is, where the rule is a flow's."""
        return self.details.get("revision")


@dataclass(slots=True)
class _Window:
    """What the last message of a rule was: after one about much, the next waits longer."""

    told_at: float
    about: int


@dataclass(slots=True)
class Incidents:
    """The incidents that are open, or of which people are still to be told.

    What is not stored yet is in `changed`, and in `marked` where only what people are told has changed.
    """

    changed: dict[str, Incident] = field(default_factory=dict)
    marked: dict[str, Incident] = field(default_factory=dict)
    _all: dict[str, Incident] = field(default_factory=dict)
    _open: dict[Key, dict[str, Incident]] = field(default_factory=dict)
    _pending: dict[str, Incident] = field(default_factory=dict)
    _momentary: dict[str, Incident] = field(default_factory=dict)
    _windows: dict[str, _Window] = field(default_factory=dict)

    @classmethod
    def load(cls, rows: Iterable[Mapping[str, Any]]) -> Incidents:
        """Return those in the rows of the store."""
        book = cls()
        for row in rows:
            book._enter(Incident.of_row(row))
        return book

    def __iter__(self) -> Iterator[Incident]:
        return iter(self._all.values())

    def has_open(self, kind: str, key: str) -> bool:
        """Whether there is an open one."""
        return (kind, key) in self._open

    def open_of(self, kinds: Iterable[str]) -> list[Incident]:
        """Return the open ones of some kinds."""
        wanted = set(kinds)
        return [one for (kind, _), ones in self._open.items() if kind in wanted for one in ones.values()]

    # --- what happens

    def note(self, occurrence: Occurrence, rules: Iterable[Rule]) -> None:
        """Take an occurrence in, with the rules that tell of it."""
        fitting = {rule.name: rule for rule in rules}
        known = dict(self._open.get((occurrence.kind, occurrence.key), {}))
        for name, rule in fitting.items():
            if name in known:
                self._again(known[name], occurrence)
            else:
                self._begin(rule, occurrence)
        if occurrence.good:
            for name, incident in known.items():
                if name not in fitting:
                    self.close(incident, occurrence.at)

    def _begin(self, rule: Rule, occurrence: Occurrence) -> None:
        notice = occurrence.state == "success"
        incident = Incident(
            id=new_execution_id(),
            rule=rule.name,
            kind=occurrence.kind,
            key=occurrence.execution_id or occurrence.key if notice else occurrence.key,
            namespace=occurrence.namespace,
            flow=occurrence.flow,
            state=occurrence.state,
            severity=rule.severity_of(occurrence.state),
            execution_id=occurrence.execution_id,
            labels=dict(occurrence.labels),
            details=_details(occurrence, rule),
            count=1,
            opened_at=occurrence.at,
            last_at=occurrence.at,
            closed_at=occurrence.at if notice else None,
            pending="open",
            due_at=self._due_at(rule.name, rule.model.group.total_seconds(), occurrence.at),
        )
        self._enter(incident)
        self.changed[incident.id] = incident

    def _again(self, incident: Incident, occurrence: Occurrence) -> None:
        if occurrence.watched:
            return
        incident.count += 1
        incident.last_at = max(incident.last_at, occurrence.at)
        incident.state = occurrence.state
        incident.execution_id = occurrence.execution_id
        incident.details |= {"what": occurrence.what, "run": occurrence.run, "error": dict(occurrence.error)}
        self.changed[incident.id] = incident

    def close_all(self, kind: str, key: str, at: float) -> None:
        """End what is open of a kind and key."""
        for incident in list(self._open.get((kind, key), {}).values()):
            self.close(incident, at)

    def close(self, incident: Incident, at: float, *, silently: bool = False) -> None:
        """End an incident; who was told of it is told of that, if the rule wants it."""
        incident.closed_at = at
        self._remove_open(incident)
        if incident.pending == "open" and incident.silence_id is None:
            pass  # the one message says both
        elif incident.pending == "open":
            incident.pending, incident.due_at = None, None
            self._leave(incident)
        elif incident.details.get("recovery") and incident.told and not silently:
            group = float(incident.details.get("group", 0))
            incident.pending, incident.due_at = "closed", self._due_at(incident.rule, group, at)
            self._pending[incident.id] = incident
        else:
            self._leave(incident)
        self.changed[incident.id] = incident

    def expire(self, now: float) -> None:
        """End what happened once and has not again for a while."""
        for incident in list(self._momentary.values()):
            if incident.last_at + COOL <= now and incident.pending is None:
                self.close(incident, now, silently=True)

    # --- what people are told

    def next_due(self) -> float | None:
        """Return when somebody is to be told next."""
        return min((one.due_at for one in self._pending.values() if one.due_at is not None), default=None)

    def due(self, now: float) -> dict[str, list[Incident]]:
        """Return by rule what people are to be told now: with the first that is due, all that has come until now."""
        rules = {one.rule for one in self._pending.values() if one.due_at is not None and one.due_at <= now}
        found: dict[str, list[Incident]] = {}
        for incident in self._pending.values():
            waits = incident.silence_id is not None and incident.due_at is not None and incident.due_at > now
            if incident.rule in rules and not waits:
                found.setdefault(incident.rule, []).append(incident)
        return found

    def silenced(self) -> list[Incident]:
        """Return those that wait for the end of a silence."""
        return [one for one in self._pending.values() if one.silence_id is not None]

    def silence(self, incident: Incident, silence_id: int | None, until: float) -> None:
        """Tell nobody until the silence ends; of what is over by then, nobody at all."""
        if incident.closed_at is not None and silence_id is not None:
            incident.pending, incident.due_at = None, None
            incident.silence_id = silence_id
            self._leave(incident)
        else:
            incident.silence_id, incident.due_at = silence_id, until
        self.changed[incident.id] = incident

    def told(self, rule: str, incidents: Iterable[Incident], message: str, now: float) -> None:
        """Note that people are told of incidents by a message."""
        count = 0
        for incident in incidents:
            count += 1
            if incident.pending == "closed":
                incident.told_closed = message
            else:
                incident.told = message
                incident.told_closed = message if incident.closed_at is not None else None
            self.forget(incident)
        before = self._windows.get(rule)
        self._windows[rule] = _Window(now, count + (before.about if before and before.told_at == now else 0))

    def forget(self, incident: Incident) -> None:
        """Tell nobody of it any more."""
        incident.pending, incident.due_at, incident.silence_id = None, None, None
        self._pending.pop(incident.id, None)
        if incident.closed_at is not None:
            self._leave(incident)
        self.marked[incident.id] = incident

    def _due_at(self, rule: str, group: float, at: float) -> float:
        window = self._windows.get(rule)
        if window is not None and window.about >= MANY and at < window.told_at + group * LONGER:
            return max(at + group, window.told_at + group * LONGER)
        return at + group

    # --- the indexes

    def _enter(self, incident: Incident) -> None:
        self._all[incident.id] = incident
        if incident.closed_at is None:
            self._open.setdefault((incident.kind, incident.key), {})[incident.rule] = incident
            if incident.details.get("momentary"):
                self._momentary[incident.id] = incident
        if incident.pending is not None:
            self._pending[incident.id] = incident

    def _remove_open(self, incident: Incident) -> None:
        self._momentary.pop(incident.id, None)
        ones = self._open.get((incident.kind, incident.key), {})
        if ones.get(incident.rule) is incident:
            del ones[incident.rule]
        if not ones:
            self._open.pop((incident.kind, incident.key), None)

    def _leave(self, incident: Incident) -> None:
        self._pending.pop(incident.id, None)
        self._all.pop(incident.id, None)


_COLUMNS = tuple(column.name for column in fields(Incident))


def row_of(incident: Incident) -> dict[str, Any]:
    """Return the row of an incident."""
    return {name: getattr(incident, name) for name in _COLUMNS}


def _details(occurrence: Occurrence, rule: Rule) -> dict[str, Any]:
    return {
        "what": occurrence.what,
        "run": occurrence.run,
        "error": dict(occurrence.error),
        "revision": occurrence.revision_id,
        "momentary": occurrence.momentary,
        "watched": occurrence.watched,
        "look": occurrence.look,
        "recovery": rule.model.recovery and not occurrence.momentary,
        "group": rule.model.group.total_seconds(),
    }
