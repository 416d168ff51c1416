"""What starts a flow: the three triggers of the language, and the common keys of the ones that plugins bring."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    SecretStr,
    StringConstraints,
    Tag,
    model_validator,
)

from rota.extensions import TRIGGER_KEYS as TRIGGER_KEYS
from rota.flows.durations import Duration, format_duration

CRON_NAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
"""Names that stand for cron expressions."""
EndState: TypeAlias = Literal["success", "warning", "failed", "cancelled"]


class TriggerKeys(BaseModel):
    """The keys that every trigger has."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    id: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)]
    """The name of the trigger, unique in the flow."""
    type: str
    """What it is: `schedule`, `flow`, `webhook`, or a trigger of a plugin."""
    description: str = ""
    """What it is for."""
    when: str | bool | None = None
    """Starts nothing when this gives false; may use `trigger`."""
    inputs: dict[str, Any] = Field(default_factory=dict)
    """The inputs of what it starts; may use `trigger`."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Further labels of what it starts."""
    disabled: bool = False
    """Starts nothing."""
    stop_after: list[EndState] = Field(default_factory=list)
    """Disable the trigger once an execution that it started ends in one of these states."""


def _at_least_a_second(value: timedelta) -> timedelta:
    if value < timedelta(seconds=1):
        raise ValueError(f"`{format_duration(value)}` is less than a second")
    return value


class ScheduleTrigger(TriggerKeys):
    """Start at times: by `cron`, `every` so long, or on `dates`."""

    type: Literal["schedule"]
    cron: str | None = None
    """Five or six fields, or a name such as `@daily`."""
    every: Annotated[Duration, AfterValidator(_at_least_a_second)] | None = None
    """Counts from when the trigger was first deployed."""
    dates: list[Annotated[datetime, Field(strict=False)]] | None = None
    """Dates, with an offset or else in `timezone`."""
    timezone: str | None = None
    """Where `cron` and `dates` are read. Default: the flow's, else the setting's."""
    jitter: Duration = timedelta(0)
    """Start up to so much later, always the same for the same date."""
    on_missed: Literal["all", "last", "none"] = "last"
    """What becomes of dates that passed while nothing ran."""
    max_missed: Annotated[int, Field(ge=1, le=10_000)] = 100
    """With `on_missed: all`, at most so many, the newest."""

    @model_validator(mode="after")
    def _has_one_kind(self) -> ScheduleTrigger:
        if sum(kind is not None for kind in (self.cron, self.every, self.dates)) != 1:
            raise ValueError("a schedule has exactly one of `cron`, `every` and `dates`")
        return self


class FlowCondition(BaseModel):
    """Which executions count."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)

    flow: str | None = None
    """The id of the flow. Default: any."""
    namespace: str | None = None
    """Its namespace, or `data.*` for all below one. Default: this flow's."""
    states: list[EndState] = Field(default_factory=lambda: list[EndState](("success", "warning")))
    """The states it may have ended in."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels that it must have."""


class FlowTrigger(TriggerKeys):
    """Start after other flows have ended."""

    type: Literal["flow"]
    after: Annotated[list[FlowCondition], Field(min_length=1)]
    """What must have ended."""
    match: Literal["all", "any"] = "all"
    """Whether all must, or any."""
    window: Duration | None = None
    """With `match: all`, all within so long. Default: a day."""


class WebhookTrigger(TriggerKeys):
    """Start when somebody calls a URL."""

    type: Literal["webhook"]
    token: SecretStr | None = None
    """What the caller sends as a bearer token."""
    hmac: SecretStr | None = None
    """The key of a SHA-256 HMAC over the body."""
    signature_header: str = "X-Hub-Signature-256"
    """Where that HMAC stands."""
    idempotency_key: str | None = None
    """An expression over `trigger.event`; a key seen before starts nothing."""
    max_size: Annotated[int, Field(ge=1, le=64 << 20)] = 1 << 20
    """The largest body, in bytes."""


class PluginTrigger(TriggerKeys):
    """A polling trigger of a plugin: all other keys are fields of its type."""

    model_config = ConfigDict(extra="allow")

    interval: Annotated[Duration, AfterValidator(_at_least_a_second)] = timedelta(seconds=60)
    """How often the source is polled."""

    @property
    def fields(self) -> dict[str, Any]:
        """The trigger type's own fields as written, unrendered."""
        return self.__pydantic_extra__ or {}


def _tag(trigger: Any) -> str:
    name = trigger.get("type") if isinstance(trigger, dict) else getattr(trigger, "type", None)
    return f"<{name}>" if name in ("schedule", "flow", "webhook") else "<plugin>"


AnyTrigger: TypeAlias = Annotated[
    Annotated[ScheduleTrigger, Tag("<schedule>")]
    | Annotated[FlowTrigger, Tag("<flow>")]
    | Annotated[WebhookTrigger, Tag("<webhook>")]
    | Annotated[PluginTrigger, Tag("<plugin>")],
    Discriminator(_tag),
]
