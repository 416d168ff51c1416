"""Goes over a flow as a run would, and says of each task whether it runs and with which values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from rota.errors import PluginError, RotaError
from rota.executions.interpreter.program import Program
from rota.executions.prepare import validated
from rota.executions.values import plain
from rota.extensions import Task
from rota.flows.durations import format_duration
from rota.flows.models import (
    AnyStep,
    Fleet,
    Flow,
    Foreach,
    If,
    Repeat,
    Scope,
    Step,
    Switch,
    TaskStep,
)
from rota.flows.task_fields import field_rules
from rota.flows.templates import RawValue
from rota.flows.templates.marks import unraw
from rota.plugins import Plugins
from rota.server.planning.context import PlanContext
from rota.server.planning.lists import plan_items
from rota.server.planning.models import PlannedBlock, PlannedTask, PlannedValue, Runs
from rota.server.planning.partial import Names, Partly, Unknown, render

_NOT_SHOWN = frozenset(
    "id type description needs when allow_failure on_lost disabled options retry tasks errors finally_ "
    "then else_ cases default collect items targets select key rollout expect recover restart finally_timeout".split()
)


@dataclass(slots=True)
class Walk:
    """What is the same for all tasks of a plan."""

    flow: Flow
    program: Program
    plugins: Plugins
    namespace: str
    workdir: Path
    expand: int
    ids: frozenset[str]
    outputs: dict[str, Any] = field(default_factory=dict)
    """What tasks give that only repeat what is known."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a task stands: its names, the frame of the program, and whether it is certain to run."""

    names: Names
    program: str = ""
    certain: bool = True
    target: Any = None


def plan_block(walk: Walk, frame: Frame, name: str, steps: list[AnyStep], note: str = "") -> PlannedBlock:
    """Return what a list of tasks does."""
    return PlannedBlock(name=name, note=note, tasks=[_task(walk, frame, step) for step in steps])


def _task(walk: Walk, frame: Frame, step: Step) -> PlannedTask:
    names = {**frame.names, "task": {"id": step.id, "type": step.type, "attempt": 1}}
    runs, why = _whether(step, names)
    planned = PlannedTask(id=step.id, type=step.type, description=step.description, runs=runs, why=why)
    if runs == "no":
        return planned
    frame = replace(frame, names=names, certain=frame.certain and runs == "yes")
    fields = dict(_fields(step, names, walk))
    planned = planned.model_copy(update={"fields": fields})
    if isinstance(step, TaskStep):
        return planned.model_copy(update=_own_plan(walk, frame, step, fields))
    if isinstance(step, (Foreach, Fleet)):
        return _iterated(walk, frame, step, planned)
    if isinstance(step, Scope):
        blocks = [*_branches(walk, frame, step), *_ends(walk, frame, step)]
        return planned.model_copy(update={"blocks": blocks})
    return planned


def _whether(step: Step, names: Names) -> tuple[Runs, str]:
    if step.disabled:
        return "no", "it is disabled"
    if step.when is None or step.when is True:
        return "yes", ""
    value = render(step.when, names, expression=True)
    if value.problem:
        return "maybe", f"`when` fails: {value.problem}"
    if not value.known:
        return "maybe", f"when {step.when}"
    if value.value is False:
        return "no", f"`{str(step.when).lower() if step.when is False else step.when}` is false"
    return "yes", f"`{step.when}` is true"


def _fields(step: Step, names: Names, walk: Walk) -> Iterator[tuple[str, PlannedValue]]:
    """Yield the values of a task's own fields, and of the keys that control it."""
    shown = {name: getattr(step, name) for name in type(step).model_fields if name not in _NOT_SHOWN}
    for name, value in shown.items():
        if name in step.model_fields_set and value is not None:
            later = name == "until" or (name == "lock" and isinstance(step, (Foreach, Fleet)))
            given = _written(value)
            # What is asked for each iteration stays as it is written.
            yield name, PlannedValue(value=given) if later else render(given, names, expression=name == "condition")
    if not isinstance(step, TaskStep):
        return
    cls = _class(walk, step.type)
    rules = field_rules(cls) if cls is not None else None
    for name, value in step.fields.items():
        if isinstance(value, RawValue) or (rules is not None and name in rules.raw):
            yield name, PlannedValue(value=unraw(value))
        elif rules is not None and name in rules.expressions:
            yield name, _expressions(value, names)
        else:
            yield name, render(value, names)


def _written(value: Any) -> Any:
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, BaseModel):
        return {name: _written(one) for name, one in value if one is not None}
    return [_written(one) for one in value] if isinstance(value, list) else value


def _expressions(value: Any, names: Names) -> PlannedValue:
    """Return a field of expressions: what they are, and whether what they give is known."""
    parts = [render(one, names, expression=True) for one in (value if isinstance(value, list) else [value])]
    return PlannedValue(
        value=value,
        unknown=[name for part in parts for name in part.unknown],
        secrets=[name for part in parts for name in part.secrets],
        problem=next((part.problem for part in parts if part.problem), ""),
    )


def _class(walk: Walk, name: str) -> type[Task] | None:
    try:
        return walk.plugins.task_type(name)
    except PluginError:
        return None


def _own_plan(walk: Walk, frame: Frame, step: TaskStep, fields: dict[str, PlannedValue]) -> dict[str, Any]:
    """Return what the plugin plans, where it does and every value is known; else what would go wrong."""
    problem = next((f"`{name}`: {value.problem}" for name, value in fields.items() if value.problem), "")
    try:
        cls = walk.plugins.task_type(step.type)
    except PluginError as error:
        return {"problem": problem or error.message}
    own = {name: value for name, value in fields.items() if name in step.fields}
    if problem or not all(value.known for value in own.values()) or field_rules(cls).expressions & own.keys():
        return {"problem": problem}
    values = {name: value.value for name, value in own.items()}
    if step.type in ("output", "set") and frame.certain and not frame.program:
        _remember(walk, frame, step, values.get("values"))
    try:
        task = validated(cls, values)
        if cls.plan is Task.plan:
            return {}
        ctx = PlanContext(walk.namespace, walk.flow.id, step.id, walk.workdir, frame.target)
        return {"plan": plain(task.plan(ctx))}
    except RotaError as error:
        return {"problem": error.message}
    except Exception as error:  # noqa: BLE001  # plugins raise what they like
        return {"problem": f"the plan failed: {type(error).__name__}: {error}"}


def _remember(walk: Walk, frame: Frame, step: TaskStep, values: Any) -> None:
    if isinstance(values, dict):
        walk.outputs[step.id] = values
        if step.type == "set":
            frame.names["vars"].update(values)


def _branches(walk: Walk, frame: Frame, step: Scope) -> Iterator[PlannedBlock]:
    maybe = replace(frame, certain=False)
    if isinstance(step, If):
        value = render(step.condition, frame.names, expression=True)
        for name, steps, wanted in (("then", step.then, True), ("else", step.else_, False)):
            if not value.known:
                yield plan_block(walk, maybe, name, steps, f"if {step.condition} is {str(wanted).lower()}")
            elif value.value is wanted:
                yield plan_block(walk, frame, name, steps)
    elif isinstance(step, Switch):
        yield from _cases(walk, frame, step)
    elif isinstance(step, Repeat):
        names = frame.names | dict.fromkeys(("item", "index", "key"), Unknown("item"))
        inner = replace(frame, names=names, program=step.id, certain=False)
        yield plan_block(walk, inner, "tasks", step.tasks, f"until {step.until}")
    else:
        yield plan_block(walk, frame, "tasks", getattr(step, "tasks", []))


def _cases(walk: Walk, frame: Frame, step: Switch) -> Iterator[PlannedBlock]:
    value = render(step.value, frame.names)
    lists = {**step.cases, **({} if step.default is None else {"default": step.default})}
    if value.known:
        text = str(value.value).lower() if isinstance(value.value, bool) else str(value.value)
        name = text if text in step.cases else "default"
        taken = step.cases.get(text, step.default)
        note = f"the value is `{text}`" if taken is not None else f"no case for `{text}`: that fails"
        yield plan_block(walk, frame, name, taken or [], note)
        return
    for name, steps in lists.items():
        yield plan_block(walk, replace(frame, certain=False), name, steps, f"if {step.value} is `{name}`")


def _ends(walk: Walk, frame: Frame, step: Scope | Flow) -> Iterator[PlannedBlock]:
    names = frame.names | {"error": Unknown("error")}
    if step.errors:
        yield plan_block(walk, replace(frame, names=names, certain=False), "errors", step.errors, "after a failure")
    if step.finally_:
        yield plan_block(walk, replace(frame, certain=False), "finally", step.finally_, "last, whatever happened")


def plan_flow(walk: Walk, names: Names) -> list[PlannedBlock]:
    """Return the blocks of the flow itself."""
    frame = Frame(names)
    return [plan_block(walk, frame, "tasks", walk.flow.tasks), *_ends(walk, frame, walk.flow)]


def _iterated(walk: Walk, frame: Frame, step: Foreach | Fleet, planned: PlannedTask) -> PlannedTask:
    node = walk.program.frames[frame.program].nodes[step.id]
    items, rows = plan_items(node, frame.names)
    shown: list[tuple[str, dict[str, Any]]] = [
        (row["key"], {"item": row["item"], "index": row["idx"], "key": row["key"]}) for row in rows[: walk.expand]
    ]
    if items.total is None:
        shown = [("each", {name: Unknown(name) for name in ("item", "index", "key")})]
    blocks = []
    for key, more in shown:
        target = {"target": more["item"] if items.total is not None else Unknown("target")} if (
            isinstance(step, Fleet)) else {}  # fmt: skip
        inner = Frame({**frame.names, **more, **target}, step.id, frame.certain and items.total is not None,
                      target.get("target", frame.target) if items.total is not None else None)  # fmt: skip
        blocks.append(plan_block(walk, inner, key, step.tasks, "an example" if items.total != 1 else ""))
    return planned.model_copy(update={"items": items, "blocks": [*blocks, *_ends(walk, frame, step)]})


def known_outputs(walk: Walk) -> Partly:
    """Return `outputs` as the plan knows them."""
    return Partly("outputs", walk.outputs, dict.fromkeys(walk.ids, False))
