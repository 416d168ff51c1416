"""Every place of a flow where an expression may stand, with what it may use there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from rota.extensions import Extension, Task, Trigger
from rota.flows.alerts import ALERT_NAMES
from rota.flows.checker.tree import Cursor, Site, Tree, end_of_tasks, start_of
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
    Scope,
    Sleep,
    Step,
    Subflow,
    Switch,
    TaskStep,
)
from rota.flows.places import Path
from rota.flows.task_fields import field_rules
from rota.flows.triggers import AnyTrigger, PluginTrigger, WebhookTrigger

Mode = Literal["value", "expression", "condition"]
RUN = frozenset("inputs vars outputs tasks trigger execution flow labels now kv read file secret range dict".split())
"""The names that every expression of a run may use."""
_ITEM = frozenset({"item", "index", "key"})
_STATIC = frozenset({"inputs", "vars", "flow", "now", "range", "dict"})
_PLACE = _STATIC | {"labels"}
_TRIGGER = frozenset({"trigger", "vars", "flow", "labels", "now", "range", "dict"})
_POLL = frozenset({"vars", "flow", "secret", "now", "range", "dict"})
_CALL = frozenset({"secret", "range", "dict"})

TypeOf = Callable[[str], type[Task] | None]
TriggerOf = Callable[[str], type[Trigger] | None]


@dataclass(frozen=True, slots=True)
class Spot:
    """A value as written, and how it is read.

    `path` leads to it; `cursor` is the moment of its evaluation (None: before there is a run). `names` may be
    used. `steers`, where it is not empty, is why no secret may be used. `site` is the task that it belongs to,
    `iteration` the scope whose item it sees. `shell` says that it is text for a shell, `root` names the key or field.
    """

    path: Path
    value: Any
    mode: Mode
    names: frozenset[str]
    cursor: Cursor | None = None
    site: Site | None = None
    iteration: Site | None = None
    steers: str = ""
    shell: bool = False

    @property
    def root(self) -> str:
        """The name of the key."""
        return next((str(part) for part in reversed(self.path) if isinstance(part, str)), "")


def spots_of(flow: Flow, tree: Tree, type_of: TypeOf, trigger_of: TriggerOf) -> Iterator[Spot]:
    """Yield every spot of `flow`, in the order in which a run comes to them."""
    yield from _before(flow)
    for index, trigger in enumerate(flow.triggers):
        yield from _of_trigger(trigger, ("triggers", index), trigger_of)
    for index, rule in enumerate(flow.alerts):
        for name in ("title", "text"):
            yield Spot(("alerts", index, name), getattr(rule, name), "value", ALERT_NAMES, steers="is told to people")
    for site in tree.sites:
        yield from _of_step(site, type_of)
    end = end_of_tasks(tree.root)
    yield Spot(("outputs",), flow.outputs, "value", RUN, end, tree.root, steers="is shown with the execution")
    for name in ("timeout", "finally_timeout"):
        yield Spot((name,), getattr(flow, name), "value", RUN, start_of(tree.root), steers="steers the flow")


def _before(flow: Flow) -> Iterator[Spot]:
    for index, spec in enumerate(flow.inputs):
        yield Spot(("inputs", index, "default"), spec.default, "value", _STATIC, steers="is shown with the execution")
    yield Spot(("labels",), flow.labels, "value", _PLACE | {"trigger"}, steers="steers the flow")
    if flow.concurrency is not None:
        yield Spot(("concurrency", "key"), flow.concurrency.key, "value", _PLACE, steers="steers the flow")


def _of_trigger(trigger: AnyTrigger, path: Path, trigger_of: TriggerOf) -> Iterator[Spot]:
    yield Spot((*path, "when"), trigger.when, "condition", _TRIGGER, steers="steers the flow")
    for name in ("inputs", "labels"):
        yield Spot((*path, name), getattr(trigger, name), "value", _TRIGGER, steers="is shown with the execution")
    if isinstance(trigger, PluginTrigger):
        yield from _typed(Spot(path, None, "value", _POLL), trigger.fields, trigger_of(trigger.type))
    elif isinstance(trigger, WebhookTrigger):
        key = trigger.idempotency_key
        yield Spot((*path, "idempotency_key"), key, "expression", _TRIGGER, steers="steers the flow")
        for name in ("token", "hmac"):
            given = getattr(trigger, name)
            yield Spot((*path, name), given and given.get_secret_value(), "value", _CALL)


def _names(cursor: Cursor, extra: frozenset[str] = frozenset()) -> tuple[frozenset[str], Site | None]:
    """Return the names that may be used at a moment, and the iteration that it lies in."""
    names, iteration = RUN | extra, None
    for moment in cursor.chain():
        if moment.owner.iterates and moment.block == "tasks":
            iteration = iteration or moment.owner
            names |= {"target"} if isinstance(moment.owner.step, Fleet) else set()
        if moment.block == "errors":
            names |= {"error"}
    return (names | _ITEM if iteration else names), iteration


def _of_step(site: Site, type_of: TypeOf) -> Iterator[Spot]:
    step = site.step
    assert step is not None
    start = start_of(site)
    names, iteration = _names(start, frozenset({"task"}))
    base = Spot(site.path, None, "value", names, start, site, iteration, "steers the flow")
    yield from _keys(base, step)
    if isinstance(step, TaskStep):
        yield from _fields(base, step, type_of(step.type))
    elif isinstance(step, (Foreach, Fleet)):
        yield from _iterated(base, site, step)
    elif isinstance(step, Repeat):
        end = end_of_tasks(site)
        inner, _ = _names(end)
        yield replace(_at(base, "until", step.until, "condition"), cursor=end, names=inner, iteration=site)
    yield from _steering(base, step)


def _at(base: Spot, name: str, value: Any, mode: Mode = "value", *more: str) -> Spot:
    return replace(base, path=(*base.path, name, *more), value=value, mode=mode)


def _keys(base: Spot, step: Step) -> Iterator[Spot]:
    yield _at(base, "when", step.when, "condition")
    yield _at(base, "timeout", step.timeout)
    if step.retry is not None:
        for name in ("attempts", "delay", "max_delay"):
            yield _at(base, "retry", getattr(step.retry, name), "value", name)
    if not isinstance(step, (Foreach, Fleet)):
        yield from _lock(base, step)


def _lock(base: Spot, step: Step) -> Iterator[Spot]:
    if isinstance(step.lock, Lock):
        yield _at(base, "lock", step.lock.key, "value", "key")
        yield _at(base, "lock", step.lock.wait, "value", "wait")
    else:
        yield _at(base, "lock", step.lock)


_STEERING: dict[type[Step], tuple[tuple[str, Mode], ...]] = {
    Parallel: (("concurrency", "value"),),
    If: (("condition", "condition"),),
    Switch: (("value", "value"),),
    Repeat: (("every", "value"), ("max_iterations", "value"), ("max_duration", "value")),
    Foreach: (("items", "expression"), ("concurrency", "value"), ("max_failures", "value")),
    Fleet: (("targets", "expression"),),
    Subflow: (("flow", "value"), ("namespace", "value")),
    Pause: (("duration", "value"),),
    Sleep: (("duration", "value"),),
    Fail: (("message", "value"),),
    Exit: (("message", "value"),),
}


def _steering(base: Spot, step: Step) -> Iterator[Spot]:
    for name, mode in _STEERING.get(type(step), ()):
        yield _at(base, name, getattr(step, name), mode)
    if isinstance(step, Scope):
        yield _at(base, "finally_timeout", step.finally_timeout)
    if isinstance(step, Subflow):
        yield replace(_at(base, "inputs", step.inputs), steers="")
    if isinstance(step, Fleet):
        for name in ("canary", "batch", "max_parallel", "max_failures", "wait"):
            yield _at(base, "rollout", getattr(step.rollout, name), "value", name)
        for name in ("min", "max"):
            yield _at(base, "expect", getattr(step.expect, name, None), "value", name)


def _iterated(base: Spot, site: Site, step: Foreach | Fleet) -> Iterator[Spot]:
    """What is asked for each item: before its tasks, where the tasks outside are seen, and after them."""
    more = frozenset({"item", "index"} | ({"target"} if isinstance(step, Fleet) else set()))
    item = replace(base, names=base.names | more, iteration=site)
    yield _at(item, "key", step.key)
    if isinstance(step, Fleet):
        yield _at(item, "select", step.select, "condition")
    yield from _lock(replace(item, names=item.names | {"key"}), step)
    end = end_of_tasks(site)
    names, _ = _names(end)
    for column, source in step.collect.items():
        spot = _at(item, "collect", source, "expression", column)
        yield replace(spot, names=names, cursor=end)


_SHOWN = {"log": ("message",), "kv.set": ("value",)}


def _fields(base: Spot, step: TaskStep, cls: type[Task] | None) -> Iterator[Spot]:
    for spot in _typed(base, step.fields, cls):
        steers = ""
        if spot.path[len(base.path)] in _SHOWN.get(step.type, ()):
            to_log = step.type == "log"
            steers = "is shown to everybody who may see the log" if to_log else "is stored where everybody can read it"
        mode: Mode = "condition" if spot.mode == "expression" and step.type == "assert" else spot.mode
        yield replace(spot, steers=steers, mode=mode)


def _typed(base: Spot, fields: Mapping[str, Any], cls: type[Extension] | None) -> Iterator[Spot]:
    """Yield the fields of a type, as that reads them; those of an unknown type as values."""
    rules = field_rules(cls) if cls is not None else None
    for name, value in fields.items():
        if rules is not None and name in rules.raw:
            continue
        spot = replace(base, path=(*base.path, name), value=value)
        if rules is not None and name in rules.expressions:
            for index, one in enumerate(value if isinstance(value, list) else [value]):
                path = (*spot.path, index) if isinstance(value, list) else spot.path
                yield replace(spot, path=path, value=one, mode="expression")
        else:
            yield replace(spot, shell=rules is not None and name in rules.shell)
