"""Alert rules as flows and settings write them: who is told about what, in which words, how often."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from rota.flows.durations import Duration

AlertState: TypeAlias = Literal["success", "warning", "failed", "cancelled", "paused"]
Severity: TypeAlias = Literal["info", "warning", "error", "critical"]
FlowAffair: TypeAlias = Literal["execution", "sla", "schedule", "trigger", "secret"]
Affair: TypeAlias = Literal["execution", "sla", "schedule", "trigger", "secret", "server", "disk", "sink"]
ALERT_NAMES = frozenset("alert incidents flow execution error targets labels now range dict".split())
"""The names that `title` and `text` of a rule may use."""

_Id = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)]


class AlertKeys(BaseModel):
    """What every alert rule has."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, defer_build=True)

    id: _Id
    """The name of the rule, unique in the flow or in the settings."""
    to: Annotated[list[str], Field(min_length=1)]
    """The sinks that are told, by their ids in `sinks` of `rota.yaml`."""
    states: list[AlertState] = Field(default_factory=lambda: list[AlertState](("failed",)))
    """The states of an execution that people are told of; `paused` is one that waits for a person."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels that the execution must have."""
    severity: Severity | None = None
    """How bad it is. Default: `error`, and less for what is less than a failure."""
    title: str | None = None
    """The title of the message, with expressions. Default: what happened, and where."""
    text: str | None = None
    """The text of the message, with expressions. Default: what, where, since when, the error, what to do."""
    group: Duration = timedelta(seconds=30)
    """Whatever comes within so long becomes one message."""
    recovery: bool = True
    """Tell, too, when it is well again."""
    disabled: bool = False
    """Tell nobody."""


class FlowAlert(AlertKeys):
    """Who is told about the executions of this flow."""

    about: list[FlowAffair] | None = None
    """What it is about: `execution`, `sla`, `schedule`, `trigger`, `secret`. Default: all of them."""


class AlertRule(AlertKeys):
    """Who is told about what, for all flows."""

    about: list[Affair] | None = None
    """What it is about: as for flows, and `server`, `disk`, `sink`. Default: all that the other keys leave."""
    namespaces: list[str] | None = None
    """The namespaces that it is for, each with those below it. Default: all."""
    flows: list[str] | None = None
    """The ids of flows that it is for, `*` standing for anything. Default: all."""
