"""Makes one message of the incidents of a rule: in the rule's words, or in ours where those fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any

from rota.alerts.incidents import Incident
from rota.alerts.rules import Rule
from rota.alerts.wording import LONGEST_TEXT, LONGEST_TITLE, Targets, error_of, headline, shortened, text_of, title_of
from rota.errors import RotaError
from rota.flows.templates import compile_value, is_secret

NAMED = 100
"""So many incidents a template gets to see."""
_ORDER = ("info", "warning", "error", "critical")


@dataclass(frozen=True, slots=True)
class Message:
    """What people are told, whoever tells them; `alert` holds the fields of `rota.Alert` but for the id."""

    rule: str
    sinks: Sequence[str]
    alert: Mapping[str, Any]


def compose(
    rule: Rule, incidents: Sequence[Incident], targets: Mapping[str, Targets], zone: tzinfo, now: float
) -> Message:
    """Return the message about `incidents`, of which there is at least one, oldest first."""
    first = incidents[0]
    title, text = title_of(incidents), text_of(incidents, targets, zone)
    bad = [one for one in incidents if one.pending != "closed"]
    severity = max((one.severity for one in bad), key=_ORDER.index, default="info")
    state = bad[0].state if bad else "recovered"
    complaints: list[str] = []
    if rule.model.title is not None or rule.model.text is not None:
        about: dict[str, Any] = {
            "rule": rule.name,
            "kind": first.kind,
            "title": title,
            "text": text,
            "severity": severity,
        }
        about |= {"state": state, "count": sum(one.count for one in incidents), "recovered": not bad}
        about |= {"since": datetime.fromtimestamp(first.opened_at, zone)}
        names = _names(incidents, about, targets.get(first.execution_id or "", Targets()), zone)
        title = _rendered(rule, "title", title, names, complaints)
        text = _rendered(rule, "text", text, names, complaints)
    same = len({(one.namespace, one.flow) for one in incidents}) == 1
    alert = {
        "title": shortened(" ".join(title.split()), LONGEST_TITLE),
        "text": "\n\n".join([shortened(text, LONGEST_TEXT), *complaints]),
        "severity": severity,
        "namespace": first.namespace if same else _common_namespace(incidents),
        "flow": first.flow if same else "",
        "execution_id": (first.execution_id or "") if len(incidents) == 1 else "",
        "state": state,
        "labels": first.labels if len(incidents) == 1 else {},
        "date": now,
    }
    return Message(rule.name, _sinks(rule, incidents), alert)


def _sinks(rule: Rule, incidents: Sequence[Incident]) -> list[str]:
    """Return the sinks that are told; a sink is not told of its own failure."""
    failing = {one.key for one in incidents if one.kind == "sink"}
    return [name for name in dict.fromkeys(rule.model.to) if name not in failing]


def _common_namespace(incidents: Sequence[Incident]) -> str:
    """Return the namespace that all are in, or below."""
    parts = [one.namespace.split(".") for one in incidents]
    common: list[str] = []
    for level in zip(*parts, strict=False):
        if len(set(level)) > 1:
            break
        common.append(level[0])
    return ".".join(common)


def _names(incidents: Sequence[Incident], alert: Mapping[str, Any], targets: Targets, zone: tzinfo) -> dict[str, Any]:
    first = incidents[0]
    error = {"task": "", "target": None, "message": "", "type": "", "attempt": 0, **(first.details.get("error") or {})}
    return {
        "alert": dict(alert),
        "incidents": [_shown(one, zone) for one in incidents[:NAMED]],
        "flow": {"id": first.flow, "namespace": first.namespace, "timezone": str(zone)},
        "execution": {
            "id": first.execution_id or "",
            "state": first.state,
            "started_at": datetime.fromtimestamp(first.opened_at, zone),
            "run": first.details.get("run", 0),
        },
        "error": error,
        "targets": {"failed": list(targets.failed), "count": targets.count, "total": targets.total},
        "labels": dict(first.labels),
        "now": lambda: datetime.now(zone),
    }


def _shown(incident: Incident, zone: tzinfo) -> dict[str, Any]:
    return {
        "title": headline(incident),
        "kind": incident.kind,
        "state": incident.state,
        "namespace": incident.namespace,
        "flow": incident.flow,
        "execution": incident.execution_id or "",
        "error": error_of(incident),
        "count": incident.count,
        "since": datetime.fromtimestamp(incident.opened_at, zone),
        "recovered": incident.pending == "closed",
        "labels": dict(incident.labels),
    }


def _rendered(rule: Rule, key: str, default: str, names: Mapping[str, Any], complaints: list[str]) -> str:
    """Return what the rule's own words give; where they fail, the default, and a complaint about it."""
    source = getattr(rule.model, key)
    if source is None:
        return default
    try:
        found = compile_value(source).render(names)
    except Exception as error:  # noqa: BLE001 - people must be told, whatever is wrong with the words
        reason = error.message if isinstance(error, RotaError) else f"{type(error).__name__}: {error}"
        complaints.append(f"(the `{key}` of alert rule `{rule.name}` cannot be used: {reason})")
        return default
    if is_secret(found):
        complaints.append(f"(the `{key}` of alert rule `{rule.name}` cannot be used: it holds a secret)")
        return default
    return found if isinstance(found, str) else str(found)
