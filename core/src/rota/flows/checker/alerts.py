"""Checks who is told: every sink that a rule names exists."""

from __future__ import annotations

from rota.flows.checker.examination import Examination
from rota.flows.similar import did_you_mean


def check_alerts(exam: Examination) -> None:
    """Report sinks that the settings do not have, as far as there are settings."""
    if exam.settings is None or not (exam.settings.file or exam.settings.sinks):
        return
    known = [sink.id for sink in exam.settings.sinks]
    for index, rule in enumerate(exam.flow.alerts):
        for number, name in enumerate(rule.to):
            if name not in known:
                hint = did_you_mean(name, known) or "add it to `sinks` in rota.yaml"
                message = f"alert rule `{rule.id}`: there is no sink `{name}`"
                exam.report("unknown-sink", message, ("alerts", index, "to", number), hint)
