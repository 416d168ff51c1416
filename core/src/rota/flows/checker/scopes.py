"""Checks scopes and what controls the flow: what never runs, lists and their keys, cases, limits, timezones."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rota.flows.checker.examination import Examination
from rota.flows.checker.shapes import Shape, shape_of_value
from rota.flows.checker.tree import Site
from rota.flows.checker.world import RESERVED_COLUMNS, World
from rota.flows.models import Exit, Fail, Fleet, Foreach, Scope, Switch, TaskStep
from rota.flows.places import Path
from rota.flows.similar import did_you_mean, listed
from rota.flows.task_fields import field_rules
from rota.flows.templates import RawValue

_OURS = re.compile(r"\{\{-?\s*(?:inputs|vars|outputs|tasks|target|item|trigger|secret|execution)\b[^}]*\}\}")


def check_scopes(exam: Examination, world: World) -> None:
    """Report what is wrong with the scopes of the flow."""
    _check_order(exam, exam.tree.root)
    _check_not_rendered(exam)
    for site in exam.tree.sites:
        step = site.step
        if isinstance(step, Scope):
            _check_order(exam, site)
            if step.finally_ and step.restart is None:
                message = f"`{step.id}` has `finally`, and does not say what a restart runs"
                hint = "`restart: failed` goes on at what did not succeed, `restart: all` starts from its top"
                exam.report("restart-unsaid", message, (*site.path, "finally"), hint, key=True)
        if isinstance(step, (Foreach, Fleet)):
            _check_columns(exam, site, step)
            _check_items(exam, world, site, step)
        if isinstance(step, Fleet):
            _check_expect(exam, site, step)
        if isinstance(step, Switch):
            _check_cases(exam, world, site, step)


def _check_order(exam: Examination, owner: Site) -> None:
    """Report tasks that stand after one which always ends the list."""
    for block, children in owner.blocks.items():
        if block == "tasks" and owner.step is not None and owner.step.type == "parallel":
            continue
        end = next((site for site in children if _ends(site)), None)
        if end is not None and end.index + 1 < len(children):
            after = children[end.index + 1]
            kind = end.step.type if end.step else ""
            message = f"task `{after.id}` never runs: `{end.id}` before it always ends with `{kind}`"
            hint = f"give `{end.id}` a `when`, or remove what follows it"
            exam.report("unreachable-task", message, (*after.path, "id"), hint)


def _ends(site: Site) -> bool:
    step = site.step
    always = isinstance(step, (Exit, Fail)) and step.when in (None, True) and not step.disabled
    return always and not (isinstance(step, Fail) and step.allow_failure)


def _check_not_rendered(exam: Examination) -> None:
    """Report expressions where nothing is rendered: in variables, and in raw fields."""
    for name, value in exam.flow.variables.items():
        text = "" if isinstance(value, RawValue) else str(value)
        if _OURS.search(text):
            message = f"the variable `{name}` is never rendered"
            exam.report("template-not-rendered", message, ("variables", name),
                        "put the expression where it is used, use `set`, or write `!raw` if it is meant")  # fmt: skip
    for site in exam.tree.sites:
        step = site.step
        cls = exam.type_of(step.type) if isinstance(step, TaskStep) else None
        for field in field_rules(cls).raw if cls is not None else ():
            value = step.fields.get(field) if isinstance(step, TaskStep) else None
            if isinstance(value, str) and (match := _OURS.search(value)):
                exam.report("template-not-rendered", f"`{field}` of task `{site.id}` is never rendered",
                            (*site.path, field), "give it data by `input` or `env`",
                            place=exam.place((*site.path, field), match.start()))  # fmt: skip


def _check_columns(exam: Examination, site: Site, step: Foreach | Fleet) -> None:
    for name in step.collect:
        if name in RESERVED_COLUMNS:
            message = f"`collect` of `{step.id}` names a column `{name}`, which each row has anyway"
            exam.report("reserved-column", message, (*site.path, "collect", name), "choose another name", key=True)


def _check_items(exam: Examination, world: World, site: Site, step: Foreach | Fleet) -> None:
    """Report what is no list, and literal targets without a name, or with one that is there twice."""
    source, name = (step.items, "items") if isinstance(step, Foreach) else (step.targets, "targets")
    path = (*site.path, name)
    shape = world.shape(source, site) if isinstance(source, str) else shape_of_value(source)
    if shape.kinds and not shape.kinds & {"array", "object"}:
        exam.report("wrong-type", f"`{name}` of task `{step.id}` must be a list, not {shape.words}", path)
    elif isinstance(source, list) and isinstance(step, Fleet) and step.key is None:
        _check_keys(exam, path, step.id, source)


def _check_keys(exam: Examination, path: Path, fleet: str, source: list[Any]) -> None:
    seen: dict[str, int] = {}
    for index, item in enumerate(source):
        key = _default_key(item)
        if key is None:
            if not (isinstance(item, str) and "{{" in item):
                message = f"targets of `{fleet}` have no name: they are known by their place in the list alone"
                exam.report("index-as-key", message, path, 'say what names them: `key: "{{ target.… }}"`')
            return
        if seen.setdefault(key, index) != index:
            message = f"the target `{key}` of `{fleet}` is there twice"
            exam.report("duplicate-target", message, (*path, index), "remove one of the two")


def _default_key(item: Any) -> str | None:
    if isinstance(item, str):
        return None if "{{" in item or not item else item
    if isinstance(item, dict):
        return next((str(item[name]) for name in ("name", "id") if isinstance(item.get(name), (str, int))), None)
    return None


def _check_expect(exam: Examination, site: Site, step: Fleet) -> None:
    if step.expect is None:
        return
    low, high = step.expect.min, step.expect.max
    if isinstance(low, int) and isinstance(high, int) and low > high:
        exam.report("impossible-limits", f"`expect` of `{step.id}`: no list has at least {low} and at most {high}",
                    (*site.path, "expect"))  # fmt: skip
    literal = isinstance(step.targets, list) and step.select is None
    if literal and isinstance(low, int) and len(step.targets) < low:
        message = f"`{step.id}` expects at least {low} targets, and the list has {len(step.targets)}"
        exam.report("impossible-limits", message, (*site.path, "expect", "min"))
    if literal and isinstance(high, int) and len(step.targets) > high:
        message = f"`{step.id}` expects at most {high} targets, and the list has {len(step.targets)}"
        exam.report("impossible-limits", message, (*site.path, "expect", "max"))


def _check_cases(exam: Examination, world: World, site: Site, step: Switch) -> None:
    """Report cases that an input never has, and values of it that no case takes."""
    if not isinstance(step.value, str):
        return
    shape = world.shape(step.value, site) if "{{" in step.value else shape_of_value(step.value)
    values = _texts(shape)
    if not values:
        return
    for case in step.cases:
        if case not in values:
            message = f"the case `{case}` of `{step.id}` never matches: the value is {listed(values, last='or')}"
            hint = did_you_mean(case, values) if len(values) > 1 else ""
            exam.report("unreachable-case", message, (*site.path, "cases", case), hint, key=True)
    missing = [value for value in values if value not in step.cases]
    if missing and step.default is None:
        message = f"`{step.id}` has no case for {listed(missing)} and no `default`: that fails"
        exam.report("missing-case", message, (*site.path, "cases"), "add a case, or `default: []`", key=True)


def _texts(shape: Shape) -> Sequence[str]:
    if shape.kind == "boolean" and shape.values is None:
        return ["true", "false"]
    return ["true" if value is True else "false" if value is False else str(value) for value in shape.values or ()]
