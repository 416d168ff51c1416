"""What a plan says, as a tree of models that is JSON on its way from the child process."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Runs = Literal["yes", "no", "maybe"]


class Planned(BaseModel):
    """What the parts of a plan have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PlannedValue(Planned):
    """A value as it would be rendered.

    In texts, what only a run can tell stands as its expression, `{{ outputs.dump.stdout }}`, and a secret as
    `secret(path#field)`.
    """

    value: Any = None
    """JSON values."""
    unknown: list[str] = Field(default_factory=list)
    """What of it only a run can tell: `outputs.dump`."""
    secrets: list[str] = Field(default_factory=list)
    """The names of the secrets in it."""
    problem: str = ""
    """Why it cannot be rendered."""

    @property
    def known(self) -> bool:
        """Whether it is all there."""
        return not (self.unknown or self.secrets or self.problem)


class PlannedBatch(Planned):
    """The targets that go together."""

    name: str
    """`canary`, or `batch` and its number."""
    targets: list[str]
    """The keys of the targets."""


class PlannedItems(Planned):
    """What a `foreach` or `fleet` goes over."""

    total: int | None = None
    """How many there are; None where only a run can tell."""
    unknown: list[str] = Field(default_factory=list)
    """Why that is not known."""
    problem: str = ""
    """Why the list cannot be made."""
    batches: list[PlannedBatch] = Field(default_factory=list)
    """The batches in order; one for a `foreach`."""
    max_parallel: int | None = None
    """How many are worked on at the same time."""
    max_failures: int | str | None = None
    """How many may fail."""


class PlannedBlock(Planned):
    """A list of tasks in a scope."""

    name: str
    """`tasks`, `then`, `cases.prod`, `errors`, …; of an iteration, its key."""
    note: str = ""
    """When it runs."""
    tasks: list[PlannedTask] = Field(default_factory=list)
    """Its tasks; none where it is certain not to run."""


class PlannedTask(Planned):
    """A task, and what it would do."""

    id: str
    type: str
    description: str = ""
    runs: Runs = "yes"
    """Whether it runs; `maybe` where only a run can tell."""
    why: str = ""
    """What decides that."""
    fields: dict[str, PlannedValue] = Field(default_factory=dict)
    """The fields of its type, and what controls it."""
    items: PlannedItems | None = None
    """What a `foreach` or `fleet` goes over."""
    blocks: list[PlannedBlock] = Field(default_factory=list)
    """What is in it; of what is iterated, the first iterations."""
    plan: Any = None
    """What the plugin says that it would do."""
    problem: str = ""
    """Why it would fail."""


class Plan(Planned):
    """What one execution would do."""

    namespace: str
    flow: str
    inputs: dict[str, PlannedValue]
    variables: dict[str, Any]
    blocks: list[PlannedBlock]
    """The tasks of the flow, its `errors` and its `finally`."""
    outputs: dict[str, PlannedValue] = Field(default_factory=dict)


class Request(Planned):
    """What the child process is told. No secret is in it."""

    source: str
    file: str
    folder: str | None
    namespace: str
    given: dict[str, Any]
    """Inputs as JSON values."""
    hidden: list[str]
    """Inputs that were given and are not told: secrets and files."""
    defaults: dict[str, dict[str, Any]]
    variables: dict[str, Any]
    labels: dict[str, str]
    timezone: str
    now: str
    """When the run would start, ISO 8601."""
    expand: int
    """How many iterations are shown with their tasks."""
    path: list[str]
    """Where modules are."""
    seconds: int
    """Processor time that the child may use."""
    memory: int
    """Memory that the child may use, in bytes."""
