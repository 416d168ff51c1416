"""A plan as text, for a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from rota.server.planning.models import Plan, PlannedBlock, PlannedItems, PlannedTask, PlannedValue

_MARKS = {"yes": "•", "no": "-", "maybe": "?"}
_LONGEST = 100
_MOST_KEYS = 8


def plan_text(plan: Plan) -> str:
    """Return `plan` as lines, indented as the flow is, ending in a newline."""
    lines = [f"{plan.namespace}/{plan.flow}"]
    lines += _values("inputs", plan.inputs)
    for block in plan.blocks:
        lines += _block(block, 1)
    lines += _values("outputs", plan.outputs)
    return "\n".join(lines) + "\n"


def _values(title: str, values: dict[str, PlannedValue]) -> list[str]:
    return [f"  {title}", *(f"    {name}: {_value(value)}" for name, value in values.items())] if values else []


def _block(block: PlannedBlock, depth: int) -> Iterator[str]:
    yield f"{'  ' * depth}{block.name}" + (f"  ({block.note})" if block.note else "")
    for task in block.tasks:
        yield from _task(task, depth + 1)


def _task(task: PlannedTask, depth: int) -> Iterator[str]:
    indent = "  " * depth
    word = {"yes": "", "no": "  does not run", "maybe": "  may run"}[task.runs]
    why = f": {task.why}" if task.why and task.runs != "yes" else ""
    yield f"{indent}{_MARKS[task.runs]} {task.id}  {task.type}{word}{why}"
    for name, value in task.fields.items():
        yield f"{indent}    {name}: {_value(value)}"
    if task.problem and not any(value.problem for value in task.fields.values()):
        yield f"{indent}    problem: {task.problem}"
    if task.plan is not None:
        yield f"{indent}    plan: {_short(task.plan)}"
    if task.items is not None:
        yield from (f"{indent}    {line}" for line in _items(task.items))
    for block in task.blocks:
        yield from _block(block, depth + 2)


def _items(items: PlannedItems) -> Iterator[str]:
    if items.problem:
        yield f"problem: {items.problem}"
    if items.total is None:
        if items.unknown:
            yield f"the list is unknown: {', '.join(items.unknown)}"
        return
    yield f"{items.total} in all, {items.max_parallel} at a time, {items.max_failures} may fail"
    for batch in items.batches:
        keys = batch.targets[:_MOST_KEYS]
        more = f", … {len(batch.targets) - len(keys)} more" if len(batch.targets) > len(keys) else ""
        yield f"{batch.name}, {len(batch.targets)}: {', '.join(keys)}{more}"


def _value(value: PlannedValue) -> str:
    if value.problem:
        return f"problem: {value.problem}"
    text = _short(value.value)
    return f"{text}  (unknown: {', '.join(value.unknown)})" if value.unknown else text


def _short(value: Any) -> str:
    text = value if isinstance(value, str) and value.strip() == value else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split("\n")) if text.isprintable() or "\n" in text else json.dumps(text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
