"""What the store must know of a flow's triggers: names, types, and a fingerprint of what makes each what it is."""

from __future__ import annotations

import hashlib
import json

from rota.flows.models import Flow
from rota.flows.triggers import AnyTrigger
from rota.store.triggers import Definition

_ANY_TIME = {"description", "when", "inputs", "labels", "stop_after", "interval", "max_missed", "on_missed"}
"""Keys that may change without making another trigger of it: what it has seen stays seen."""


def definitions_of(flow: Flow) -> list[Definition]:
    """Return the definitions of a flow's triggers; those of a disabled flow are disabled."""
    return [
        Definition(one.id, one.type, _fingerprint(flow, one), one.disabled or flow.disabled) for one in flow.triggers
    ]


def _fingerprint(flow: Flow, trigger: AnyTrigger) -> str:
    # Secrets that a flow names are expressions here, and the digest says nothing of them.
    written = {key: value for key, value in trigger.model_dump(mode="json").items() if key not in _ANY_TIME}
    text = json.dumps([written, flow.timezone, flow.disabled], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
