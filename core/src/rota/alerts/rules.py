"""Which rules an occurrence fits: those of the settings, and those of its flow."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from rota.alerts.occurrences import Occurrence
from rota.flows.alerts import AlertKeys, AlertRule, FlowAlert
from rota.flows.models import Flow
from rota.settings import Settings

SINKS = "sinks"
"""The rule that tells of sinks which fail, where no other does."""
SEVERITIES = {
    "success": "info",
    "paused": "info",
    "warning": "warning",
    "cancelled": "warning",
    "sla": "warning",
    "disk": "critical",
}
"""How bad what is; everything else is an error."""

FlowOf = Callable[[int], Flow | None]
"""Gives the flow of a revision, as far as it has alert rules."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule by its name: `ops` of the settings, `data.mongo/backup:ops` of a flow."""

    name: str
    model: AlertKeys

    def severity_of(self, state: str) -> str:
        """Return how bad a state, or a kind, is."""
        return self.model.severity or SEVERITIES.get(state, "error")


class Rules:
    """All rules there are."""

    def __init__(self, settings: Settings, flow_of: FlowOf) -> None:
        self._flow_of = flow_of
        self._general = [Rule(model.id, model) for model in settings.alerts if not model.disabled]
        self._sinks = [sink.id for sink in settings.sinks]

    def fitting(self, occurrence: Occurrence) -> list[Rule]:
        """Return the rules that tell of an occurrence."""
        general: Iterable[Rule] = () if occurrence.own_rules_only else self._general
        found = [rule for rule in (*general, *self._own(occurrence)) if _fits(rule.model, occurrence)]
        if occurrence.kind == "sink" and not occurrence.good and not found and len(self._sinks) > 1:
            found = [Rule(SINKS, AlertRule(id=SINKS, to=self._sinks, about=["sink"]))]
        return found

    def named(self, name: str, revision_id: int | None) -> Rule | None:
        """Return a rule by its name, those of a flow by a revision of it; None where it is gone."""
        if name == SINKS and not any(rule.name == name for rule in self._general):
            return Rule(SINKS, AlertRule(id=SINKS, to=self._sinks, about=["sink"])) if self._sinks else None
        if ":" not in name:
            return next((rule for rule in self._general if rule.name == name), None)
        flow_name, _, wanted = name.rpartition(":")
        flow = self._flow_of(revision_id) if revision_id is not None else None
        models = flow.alerts if flow is not None else []
        return next((Rule(f"{flow_name}:{one.id}", one) for one in models if one.id == wanted), None)

    def _own(self, occurrence: Occurrence) -> list[Rule]:
        if occurrence.revision_id is None:
            return []
        flow = self._flow_of(occurrence.revision_id)
        if flow is None:
            return []
        name = f"{occurrence.namespace}/{occurrence.flow}"
        return [Rule(f"{name}:{model.id}", model) for model in flow.alerts if not model.disabled]


def _fits(model: AlertKeys, occurrence: Occurrence) -> bool:
    if not _is_about(model, occurrence):
        return False
    if isinstance(model, AlertRule) and not _is_within(model, occurrence):
        return False
    return all(occurrence.labels.get(name) == value for name, value in model.labels.items())


def _is_about(model: AlertKeys, occurrence: Occurrence) -> bool:
    if occurrence.kind == "execution":
        if occurrence.state not in model.states:
            return False
    elif occurrence.good:
        return False
    assert isinstance(model, (AlertRule, FlowAlert))
    about: list[str] | None = list(model.about) if model.about is not None else None
    if occurrence.of_failure:
        # Who is told of the execution, with the reason, need not be told of the secret as well.
        return about is not None and "secret" in about and "execution" not in about
    return about is None or occurrence.kind in about


def _is_within(model: AlertRule, occurrence: Occurrence) -> bool:
    if model.namespaces is not None and not any(
        occurrence.namespace == name or occurrence.namespace.startswith(f"{name}.")
        for name in (pattern.removesuffix(".*") for pattern in model.namespaces)
    ):
        return False
    if model.flows is None:
        return True
    return bool(occurrence.flow) and any(fnmatchcase(occurrence.flow, pattern) for pattern in model.flows)
