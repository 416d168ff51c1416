"""The flow language as models: a flow, the keys that every task has, and the control types.

A control type steers (scopes, `pause`, `sleep`, …) and is known to the interpreter. Any other type is a
`TaskStep`: its own fields stay as written until a worker renders and validates them with the plugin's class.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag, model_validator

from rota.extensions import TASK_KEYS as TASK_KEYS
from rota.flows.alerts import FlowAlert
from rota.flows.durations import Duration
from rota.flows.inputs import Input
from rota.flows.triggers import AnyTrigger

NAME_PATTERN = r"^[a-z0-9][a-z0-9._-]*$"
ID_PATTERN = r"^[a-z][a-z0-9_]*$"

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=200)]
Id = Annotated[str, StringConstraints(pattern=ID_PATTERN, max_length=100)]
Template = Annotated[str, StringConstraints(pattern=r"\{\{")]
"""Text with an expression in it, where another type is asked for: it is rendered first."""
Expression = str
"""An expression, braces optional."""
Labels = dict[str, str]
Wait = Duration | Template
Count = Annotated[int, Field(ge=0)] | Template
Percentage = Annotated[str, StringConstraints(pattern=r"^\d+(\.\d+)?\s*%$")]
Share = Annotated[int, Field(ge=0)] | Percentage | Template
"""A number of targets, or a percentage of all of them such as `10%`."""
Size = Annotated[int, Field(ge=1)] | Percentage | Template
"""The same, where none at all makes no sense."""


class Model(BaseModel):
    """What all models of the language have in common: frozen, strict, and no unknown keys."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        populate_by_name=True,
        defer_build=True,
    )


class Retry(Model):
    """How often, and after which wait, something that failed is tried again."""

    attempts: Annotated[int, Field(ge=1, le=1000)] | Template
    """How many attempts there are in all, the first included."""
    delay: Wait = timedelta(0)
    """The wait before the second attempt."""
    backoff: Literal["constant", "exponential"] = "constant"
    """How the wait grows: not at all, or by `factor` each time."""
    factor: Annotated[float, Field(ge=1, le=100)] = 2.0
    """What the wait is multiplied with each time, with `backoff: exponential`."""
    max_delay: Wait | None = None
    """The longest wait."""
    jitter: Annotated[float, Field(ge=0, le=1)] = 0.0
    """The part of each wait that is random: 0.2 spreads it by 20% both ways."""
    on: list[str] | None = None
    """Only these failures: `timeout`, `lost`, or the names of error types. Default: every one."""


class Lock(Model):
    """A lock across flows and servers."""

    key: str
    """What is locked: `mongo/{{ target.name }}`."""
    wait: Wait | None = None
    """How long to wait for it before failing. Default: as long as it takes."""


class Step(Model):
    """The keys that every task has."""

    scope: ClassVar[bool] = False

    id: Id
    """The name of the task, unique in the flow; its output is `outputs.<id>`."""
    type: str
    """What the task is: a control type, or a task type of a plugin."""
    description: str = ""
    """What the task is for, shown beside it."""
    needs: list[Id] | None = None
    """In `parallel`: the siblings that must have ended well before this one starts."""
    when: Expression | bool | None = None
    """Whether the task runs at all; it is skipped when this gives false."""
    retry: Retry | None = None
    """How often it is tried again after a failure."""
    timeout: Wait | None = None
    """The longest time for one attempt of a task, or for the whole of a scope."""
    allow_failure: bool = False
    """A failure is a warning instead, and the flow goes on."""
    lock: Lock | str | None = None
    """What is locked from before the start to after `finally`; on `fleet` and `foreach`, per iteration."""
    queue: str | None = None
    """The task queue whose workers run it, with executors that have such queues."""
    on_lost: Literal["retry", "fail"] | None = None
    """What follows when the server died while it ran. Default: `retry` if the task is idempotent."""
    disabled: bool = False
    """Skip it."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Later additions to these keys."""


class TaskStep(Step):
    """A task of a plugin: all keys that are not the language's own are fields of its type."""

    model_config = ConfigDict(extra="allow")

    @property
    def fields(self) -> dict[str, Any]:
        """The task type's own fields as written, unrendered."""
        return self.__pydantic_extra__ or {}


class Scope(Step):
    """What every scope has besides its children."""

    scope: ClassVar[bool] = True

    errors: list[AnyStep] = Field(default_factory=list)
    """What runs after a failure of the scope, before `finally`."""
    finally_: list[AnyStep] = Field(default_factory=list, alias="finally")
    """What runs last, whenever the scope has started."""
    finally_timeout: Wait = timedelta(seconds=600)
    """The longest time for `errors` and `finally` together."""
    restart: Literal["failed", "all"] | None = None
    """What a restart runs: what did not succeed (the default), or the whole scope from its top."""
    recover: bool = False
    """The scope is a success if its `errors` were."""


class Sequential(Scope):
    """Run tasks one after the other."""

    type: Literal["sequential"]
    tasks: list[AnyStep]
    """The tasks, in order."""


class Parallel(Scope):
    """Run tasks at the same time, each as soon as what it `needs` has ended well."""

    type: Literal["parallel"]
    tasks: list[AnyStep]
    """The tasks, started in this order."""
    concurrency: Annotated[int, Field(ge=1)] | Template | None = None
    """How many may run at the same time. Default: all."""
    fail_fast: bool = True
    """Start nothing more once one has failed."""


class If(Scope):
    """Run one of two lists of tasks."""

    type: Literal["if"]
    condition: Expression | bool
    """What decides; it must give a boolean."""
    then: list[AnyStep]
    """What runs when it is true."""
    else_: list[AnyStep] = Field(default_factory=list, alias="else")
    """What runs when it is false."""


class Switch(Scope):
    """Run the list of tasks that a value names."""

    type: Literal["switch"]
    value: Any
    """What decides, as text: `{{ inputs.env }}`."""
    cases: dict[str, list[AnyStep]]
    """Value to tasks."""
    default: list[AnyStep] | None = None
    """What runs when no case matches; without it, that fails."""


class Repeat(Scope):
    """Run tasks again and again until a condition holds."""

    type: Literal["repeat"]
    tasks: list[AnyStep]
    """The tasks of one iteration, in order."""
    until: Expression | bool
    """Asked after each iteration; true ends the scope."""
    every: Wait = timedelta(0)
    """The wait between two iterations."""
    max_iterations: Annotated[int, Field(ge=1)] | Template | None = None
    """Fail after so many iterations."""
    max_duration: Wait | None = None
    """Fail after so long."""

    @model_validator(mode="after")
    def _is_bounded(self) -> Repeat:
        if self.max_iterations is None and self.max_duration is None:
            raise ValueError("`repeat` needs `max_iterations` or `max_duration`")
        return self


class Foreach(Scope):
    """Run tasks for each item of a list."""

    type: Literal["foreach"]
    tasks: list[AnyStep]
    """The tasks of one iteration, in order."""
    items: Any
    """The list, or an expression that gives one; a mapping gives items with `key` and `value`."""
    key: str | None = None
    """Names an iteration, unique in the list: `{{ item.name }}`. Default: the index."""
    concurrency: Annotated[int, Field(ge=1)] | Template = 1
    """How many iterations run at the same time."""
    max_failures: Share = 0
    """How many iterations may fail: a number, or a percentage."""
    collect: dict[str, Expression] = Field(default_factory=dict)
    """Columns of `rows`: name to expression, read at the end of each iteration."""


class Expect(Model):
    """How many targets there must be."""

    min: Count | None = None
    """At least so many."""
    max: Count | None = None
    """At most so many."""


class Approve(Model):
    """Where a fleet waits for a person."""

    after: Literal["canary", "batch"] = "canary"
    """After the canary alone, or after each batch."""
    by: list[str] = Field(default_factory=list)
    """Who may approve. Default: whoever may resume the execution."""


class Rollout(Model):
    """How a fleet goes over its targets."""

    canary: Share | None = None
    """The targets that go first and allow no failure."""
    batch: Size | None = None
    """The size of a batch. Default: all in one."""
    max_parallel: Size = 10
    """How many targets are worked on at the same time."""
    max_failures: Share = 0
    """How many targets may fail: a number, or a percentage of all."""
    wait: Wait = timedelta(0)
    """The wait between two batches."""
    approve: Approve | None = None
    """Wait for a person between batches."""
    on_breach: Literal["drain", "pause", "cancel"] = "drain"
    """What happens to started targets beyond `max_failures`."""


class Fleet(Scope):
    """Run tasks for each target, in batches, within limits."""

    type: Literal["fleet"]
    tasks: list[AnyStep]
    """The tasks of one target, in order."""
    targets: Any
    """The list, or an expression that gives one."""
    select: Expression | bool | None = None
    """Keeps the targets for which it is true: `target.state == 'up'`."""
    key: str | None = None
    """Names a target, unique in the list. Default: its `name` or `id`, itself if it is text, else the index."""
    expect: Expect | None = None
    """How many targets there must be, checked before the first starts."""
    rollout: Rollout = Field(default_factory=Rollout)
    """Canary, batches and limits."""
    collect: dict[str, Expression] = Field(default_factory=dict)
    """Columns of `rows`: name to expression, read at the end of each target."""


class Subflow(Step):
    """Run another flow."""

    type: Literal["subflow"]
    flow: str
    """The id of the flow."""
    namespace: str | None = None
    """Its namespace. Default: this flow's."""
    inputs: dict[str, Any] = Field(default_factory=dict)
    """Its inputs."""
    wait: bool = True
    """Wait for its end, and end as it ended; its outputs are this task's."""


class Pause(Step):
    """Wait for a person, or for a time."""

    type: Literal["pause"]
    inputs: list[Input] = Field(default_factory=list)
    """What the person is asked; the answers are this task's output."""
    approvers: list[str] = Field(default_factory=list)
    """Who may resume. Default: whoever may resume the execution."""
    duration: Wait | None = None
    """The longest wait; without `inputs` and `approvers`, simply the wait."""
    on_timeout: Literal["continue", "fail", "cancel"] | None = None
    """What follows when nobody came. Default: `continue` for a simple wait, else `fail`."""


class Sleep(Step):
    """Wait for a time, durably: no worker is held."""

    type: Literal["sleep"]
    duration: Wait
    """How long."""


class Fail(Step):
    """Fail with a message."""

    type: Literal["fail"]
    message: str = "failed on purpose"
    """The error."""


class Exit(Step):
    """End the execution here, in a state of one's choosing; `finally` still runs."""

    type: Literal["exit"]
    state: Literal["success", "warning", "failed", "cancelled"] = "success"
    """The state."""
    message: str = ""
    """Why, kept with the execution."""


CONTROL_TYPES: dict[str, type[Step]] = {
    "sequential": Sequential,
    "parallel": Parallel,
    "if": If,
    "switch": Switch,
    "repeat": Repeat,
    "foreach": Foreach,
    "fleet": Fleet,
    "subflow": Subflow,
    "pause": Pause,
    "sleep": Sleep,
    "fail": Fail,
    "exit": Exit,
}


def _tag(step: Any) -> str:
    name = step.get("type") if isinstance(step, dict) else getattr(step, "type", None)
    return f"<{name}>" if isinstance(name, str) and name in CONTROL_TYPES else "<task>"


# Tags are in `<>` so that no key of a flow can be taken for one in the path of an error.
AnyStep: TypeAlias = Annotated[
    Annotated[Sequential, Tag("<sequential>")]
    | Annotated[Parallel, Tag("<parallel>")]
    | Annotated[If, Tag("<if>")]
    | Annotated[Switch, Tag("<switch>")]
    | Annotated[Repeat, Tag("<repeat>")]
    | Annotated[Foreach, Tag("<foreach>")]
    | Annotated[Fleet, Tag("<fleet>")]
    | Annotated[Subflow, Tag("<subflow>")]
    | Annotated[Pause, Tag("<pause>")]
    | Annotated[Sleep, Tag("<sleep>")]
    | Annotated[Fail, Tag("<fail>")]
    | Annotated[Exit, Tag("<exit>")]
    | Annotated[TaskStep, Tag("<task>")],
    Discriminator(_tag),
]


class Concurrency(Model):
    """How many executions of the flow may be alive at the same time."""

    limit: Annotated[int, Field(ge=1)]
    """The number of places."""
    key: str | None = None
    """Counts apart for each value: `{{ inputs.env }}`."""
    on_limit: Literal["queue", "cancel", "fail"] = "queue"
    """What becomes of an execution that finds no place."""


class Sla(Model):
    """When somebody must be told although nothing failed."""

    max_duration: Duration | None = None
    """It runs longer than this."""
    done_by: str | None = None
    """It has not ended well at this time of day, `HH:MM` in the flow's timezone."""


class Flow(Model):
    """A flow: what one YAML document says."""

    id: Name
    """The name of the flow, unique in its namespace."""
    namespace: Name | None = None
    """Where it lives. `--namespace` replaces it; a draft without one is in `default`."""
    description: str = ""
    """What it is for."""
    labels: Labels = Field(default_factory=dict)
    """Labels of its executions."""
    inputs: list[Input] = Field(default_factory=list)
    """What an execution is given."""
    variables: dict[str, Any] = Field(default_factory=dict)
    """Values for expressions: `vars.<name>`."""
    files: list[str] = Field(default_factory=list)
    """Globs of files beside the flow, stored with each revision."""
    tasks: list[AnyStep]
    """What it does, one after the other."""
    errors: list[AnyStep] = Field(default_factory=list)
    """What runs after a failure, before `finally`."""
    finally_: list[AnyStep] = Field(default_factory=list, alias="finally")
    """What runs last, always."""
    finally_timeout: Wait = timedelta(seconds=600)
    """The longest time for `errors` and `finally` together."""
    outputs: dict[str, Any] = Field(default_factory=dict)
    """What an execution gives: to `subflow`, to flow triggers, to people."""
    triggers: list[AnyTrigger] = Field(default_factory=list)
    """What starts it."""
    concurrency: Concurrency | None = None
    """How many executions of it may be alive at the same time."""
    retry: Retry | None = None
    """How often a failed execution goes on by itself, as a restart would."""
    timeout: Wait | None = None
    """The longest time for `tasks`, waits for a person excepted."""
    timezone: str | None = None
    """The timezone in which its dates are shown. Default: the setting's."""
    defaults: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Field values and task keys by type, `ssh.command` or `ssh.*`."""
    alerts: list[FlowAlert] = Field(default_factory=list)
    """Who is told about what."""
    sla: Sla | None = None
    """When somebody must be told although nothing failed."""
    disabled: bool = False
    """Nothing starts it but a person."""
