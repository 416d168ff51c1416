"""Tasks made ready once per revision: class found, templates compiled, what is literal validated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import ValidationError

from rota.errors import TaskFailed
from rota.executions.masking import Masker
from rota.extensions import Extension, Task
from rota.flows.models import TaskStep
from rota.flows.phrases import sentence
from rota.flows.places import Path
from rota.flows.task_fields import compile_field, typed_values
from rota.flows.templates import Value, compile_expression, compile_value, secret_values
from rota.flows.walk import deepest, dotted, located
from rota.plugins import Plugins

E = TypeVar("E", bound=Extension)


class Prepared:
    """One `TaskStep` of a revision with its class. `instance` is there when nothing has to be rendered."""

    __slots__ = ("fields", "instance", "known_idempotent", "plugin", "step", "task_type", "timeout", "when")

    def __init__(self, step: TaskStep, plugins: Plugins) -> None:
        self.step = step
        self.task_type: type[Task] = plugins.task_type(step.type)
        self.plugin = plugins.plugin_version(step.type)
        self.fields: dict[str, Value] = {
            name: compile_field(self.task_type, name, value) for name, value in step.fields.items()
        }
        self.when = None if step.when is None or step.when is True else compile_expression(step.when)
        self.timeout = compile_value(step.timeout) if isinstance(step.timeout, str) else None
        """The templated timeout of an attempt; a literal one is known to the driver."""
        idempotent = self.task_type.__dict__.get("idempotent", self.task_type.idempotent)
        self.known_idempotent: bool | None = idempotent if isinstance(idempotent, bool) else None
        self.instance: Task | None = None
        if all(value.is_literal for value in self.fields.values()):
            try:
                self.instance = validated(
                    self.task_type, {name: value.render({}) for name, value in self.fields.items()}
                )
            except TaskFailed:
                self.instance = None  # the run says why, with the task's own id

    @property
    def may_run_again(self) -> bool:
        """Whether the task is known to be idempotent, its fields not being rendered."""
        return bool(self.known_idempotent or (self.instance is not None and self.instance.idempotent))

    def render(self, names: dict[str, Any], masker: Masker) -> Task:
        """Return the task with its fields rendered and validated; secrets in them are masked from now on.

        Raises ExpressionError, SecretError, and TaskFailed (never to be retried) for a value of the wrong type.
        """
        if self.instance is not None:
            return self.instance
        values = {name: value.render(names) for name, value in self.fields.items()}
        for secret in secret_values(values):
            masker.add_all(secret)
        return validated(self.task_type, values)


def validated(task_type: type[E], values: dict[str, Any]) -> E:
    """Return a `task_type` with `values`. Raises TaskFailed naming every field that is wrong, never its value."""
    try:
        made: E = task_type.model_validate(typed_values(task_type, values))
    except ValidationError as error:
        raise TaskFailed("; ".join(_faults(values, error)), retryable=False) from None
    return made


def _faults(values: dict[str, Any], error: ValidationError) -> Iterator[str]:
    places: dict[Path, list[Any]] = {}
    for one in error.errors(include_input=False, include_url=False):
        missing = [one["loc"][-1]] if one["type"] == "missing" else []
        path, _ = located(values, one["loc"])
        places.setdefault((*path, *missing), []).append(one)
    for path in deepest(places):
        yield sentence(dotted(path), places[path])
