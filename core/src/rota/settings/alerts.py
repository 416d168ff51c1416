"""Checks the alert rules of `rota.yaml`: the sinks they name, and the expressions in their texts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rota.errors import ExpressionError
from rota.flows.alerts import ALERT_NAMES, AlertRule
from rota.flows.similar import did_you_mean, listed

if TYPE_CHECKING:
    from rota.settings.models import KeyPath, Settings


def rule_faults(settings: Settings) -> Iterator[tuple[KeyPath, str, str]]:
    """Yield what is wrong with the alert rules: where, a sentence, a hint."""
    known = [sink.id for sink in settings.sinks]
    for index, rule in enumerate(settings.alerts):
        for number, name in enumerate(rule.to):
            if name not in known:
                hint = did_you_mean(name, known) or "add it to `sinks`"
                yield ("alerts", index, "to", number), f"alert rule `{rule.id}`: there is no sink `{name}`", hint
        for key in ("title", "text"):
            for message, hint in _of_template(rule, key):
                yield ("alerts", index, key), f"`{key}` of alert rule `{rule.id}`: {message}", hint


def _of_template(rule: AlertRule, key: str) -> Iterator[tuple[str, str]]:
    source = getattr(rule, key)
    if source is None or "{{" not in source:
        return
    from rota.flows.checker.names import follow, lack
    from rota.flows.checker.shapes import ANY
    from rota.flows.checker.world import FIXED
    from rota.flows.templates import compile_value

    try:
        for found in compile_value(source).expressions:
            uses = found.expression.uses
            names = uses.names | {call.name for call in uses.calls}
            for name in sorted(names - ALERT_NAMES):
                yield f"it uses `{name}`, which it does not have", f"it may use {listed(sorted(ALERT_NAMES))}"
            for path in uses.paths:
                shape, missing = follow(FIXED.get(str(path.keys[0]), ANY), path.keys)
                if missing and missing[0] in ALERT_NAMES and not path.guarded:
                    yield lack(shape, missing)
    except ExpressionError as error:
        yield error.message, error.hint
