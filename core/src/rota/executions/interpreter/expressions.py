"""Which expressions steer a node, stage by stage, and which of its values are known beforehand."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from rota.executions.interpreter.values import Condition, Expr, RetryPlan, is_template, plan, seconds, share
from rota.executions.models import Stage
from rota.flows.models import (
    Exit,
    Fail,
    Fleet,
    Flow,
    Foreach,
    If,
    Lock,
    Parallel,
    Pause,
    Repeat,
    Retry,
    Scope,
    Sleep,
    Step,
    Subflow,
    Switch,
)


@dataclass(slots=True)
class Stages:
    """What is to be rendered at each stage, by name; `fixed` are the values that need no rendering."""

    fixed: dict[str, Any] = field(default_factory=dict)
    retry: RetryPlan | None = None
    enter: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    items: dict[str, Any] = field(default_factory=dict)
    end: dict[str, Any] = field(default_factory=dict)

    def of(self, stage: Stage) -> dict[str, Any]:
        found: dict[str, Any] = getattr(self, stage)
        return found

    def put(self, stage: dict[str, Any], name: str, value: Any) -> None:
        """Sort `value` in: nothing, known, or to be rendered at `stage`."""
        if value is None:
            return
        if is_template(value):
            stage[name] = value
        else:
            self.fixed[name] = _known(name, value)


def stages_of(kind: str, step: Step | Flow | None) -> Stages:
    """Return what there is to render for a node of `kind`; an `iteration` has the step of its scope."""
    stages = Stages()
    if kind == "iteration":
        _iteration(stages, step)
    elif isinstance(step, Flow):
        _ends(stages, step)
        _retry(stages, step.retry)
        if step.outputs:
            stages.end["outputs"] = step.outputs
    elif isinstance(step, Step):
        _keys(stages, kind, step)
        if isinstance(step, (Foreach, Fleet)):
            _items(stages, step)
        elif kind != "task":
            _body(stages, step)
    return stages


def _keys(stages: Stages, kind: str, step: Step) -> None:
    """The keys that every task has. A worker renders `timeout` of a task, and `when` if it is alone."""
    _retry(stages, step.retry)
    if isinstance(step, Scope):
        _ends(stages, step)
    elif kind != "task":
        stages.put(stages.enter, "timeout", step.timeout)
    if step.lock is not None and not isinstance(step, (Foreach, Fleet)):
        lock = step.lock if isinstance(step.lock, Lock) else Lock(key=step.lock)
        stages.put(stages.enter, "lock", lock.key)
        stages.put(stages.enter, "lock_wait", lock.wait)
    if isinstance(step.when, str) and (kind != "task" or step.lock is not None or stages.enter):
        stages.enter["when"] = Condition(step.when)


def _ends(stages: Stages, step: Scope | Flow) -> None:
    stages.put(stages.enter, "timeout", step.timeout)
    stages.put(stages.enter, "finally_timeout", step.finally_timeout)


def _retry(stages: Stages, retry: Retry | None) -> None:
    if retry is None:
        return
    asked = {name: getattr(retry, name) for name in ("attempts", "delay", "max_delay")}
    asked = {name: value for name, value in asked.items() if is_template(value)}
    if asked:
        stages.enter["retry"] = asked
    stages.retry = plan(retry, {})


def _items(stages: Stages, step: Foreach | Fleet) -> None:
    """The frozen list and what limits the way over it; literals among the limits are known."""
    source = step.items if isinstance(step, Foreach) else step.targets
    stages.items["items"] = Expr(source) if isinstance(source, str) else source
    for name, value in (("key", step.key), ("select", getattr(step, "select", None))):
        if value is not None:
            stages.items[name] = Condition(value) if name == "select" and isinstance(value, str) else value
    if step.lock is not None:
        lock = step.lock if isinstance(step.lock, Lock) else Lock(key=step.lock)
        stages.items["lock"] = lock.key
        stages.put(stages.items, "lock_wait", lock.wait)
    for name, value in _limits(step).items():
        stages.put(stages.items, name, value)


def _limits(step: Foreach | Fleet) -> dict[str, Any]:
    if isinstance(step, Foreach):
        return {"max_parallel": step.concurrency, "max_failures": step.max_failures}
    names = ("canary", "batch", "max_parallel", "max_failures", "wait")
    limits = {name: getattr(step.rollout, name) for name in names}
    if step.expect is not None:
        limits.update(expect_min=step.expect.min, expect_max=step.expect.max)
    return limits


def _body(stages: Stages, step: Step) -> None:
    """What steers a control type once it has its lock."""
    if isinstance(step, If):
        condition = step.condition
        stages.put(stages.body, "condition", Condition(condition) if isinstance(condition, str) else condition)
    elif isinstance(step, Subflow):
        wanted = {"flow": step.flow, "namespace": step.namespace, "inputs": step.inputs}
        stages.body.update({name: value for name, value in wanted.items() if is_template(value)})
    else:
        for name in _BODY.get(type(step), ()):
            stages.put(stages.body, name, getattr(step, name))


_BODY: dict[type[Step], tuple[str, ...]] = {
    Switch: ("value",),
    Parallel: ("concurrency",),
    Repeat: ("every", "max_iterations", "max_duration"),
    Sleep: ("duration",),
    Pause: ("duration",),
    Fail: ("message",),
    Exit: ("message",),
}


def _iteration(stages: Stages, step: Step | Flow | None) -> None:
    if isinstance(step, Repeat):
        if isinstance(step.until, bool):
            stages.fixed["until"] = step.until
        else:
            stages.end["until"] = Condition(step.until)
    elif isinstance(step, (Foreach, Fleet)) and step.collect:
        stages.end["collect"] = {name: Expr(text) for name, text in step.collect.items()}


def _known(name: str, value: Any) -> Any:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if name in ("canary", "batch", "max_parallel", "max_failures"):
        return share(value, name)
    if name == "max_duration":
        return seconds(value, name)
    return value
