"""Checks calls of flows: `subflow` tasks, what they give, and circles of flows that run each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rota.flows.checker.examination import Examination
from rota.flows.checker.tree import Site, tree_of
from rota.flows.input_values import plain
from rota.flows.inputs import is_templated
from rota.flows.models import Flow, If, Subflow, Switch
from rota.flows.places import Path
from rota.flows.similar import did_you_mean, listed

_MOST_FLOWS = 200


def check_subflows(exam: Examination) -> None:
    """Report subflows that do not exist, what is wrong with what they are given, and circles."""
    for site in exam.tree.sites:
        if isinstance(site.step, Subflow):
            _check_subflow(exam, site, site.step)


def _check_subflow(exam: Examination, site: Site, step: Subflow) -> None:
    if is_templated(step.flow) or is_templated(step.namespace):
        return
    namespace = step.namespace or exam.namespace
    path = (*site.path, "flow")
    if (namespace, step.flow) == (exam.namespace, exam.flow.id):
        check_inputs(exam, exam.flow, step.inputs, (*site.path, "inputs"), f"task `{step.id}`", at=path)
        _report_circle(exam, path, [exam.flow.id, exam.flow.id], _may_end(site))
        return
    if exam.flows is None:
        return
    flow = exam.flows(namespace, step.flow)
    if flow is None and not exam.knows_all_flows:
        return
    if flow is None:
        exam.report("unknown-flow", f"there is no flow `{namespace}/{step.flow}`", path,
                    "`rota flows list` shows what is deployed; or name its `namespace`")  # fmt: skip
        return
    check_inputs(exam, flow, step.inputs, (*site.path, "inputs"), f"task `{step.id}`", at=path)
    circle = _circle(exam, namespace, flow)
    if circle is not None:
        names, guarded = circle
        _report_circle(exam, path, [exam.flow.id, *names, exam.flow.id], guarded or _may_end(site))


def check_inputs(exam: Examination, flow: Flow, given: Mapping[str, Any], path: Path, who: str, *, at: Path) -> None:
    """Report inputs that `flow` does not have, must have, or does not take; `at` is the place for missing ones."""
    known = {spec.id: spec for spec in flow.inputs}
    for name, value in given.items():
        spec = known.get(name)
        if spec is None:
            hint = did_you_mean(name, known, what="it has") or "it has no inputs"
            exam.report(
                "unknown-input", f"{who}: flow `{flow.id}` has no input `{name}`", (*path, name), hint, key=True
            )
        elif not is_templated(value):
            try:
                spec.parse(plain(value))
            except (ValueError, TypeError, OSError) as error:
                text, _, hint = str(error).partition("; ")
                exam.report("invalid-value", f"{who}: input `{name}` {text}", (*path, name), hint)
    missing = [spec.id for spec in flow.inputs if not spec.has_default and spec.id not in given]
    if missing:
        message = f"{who} does not give {listed(missing)}, which flow `{flow.id}` needs"
        exam.report("missing-input", message, at, f"add `inputs: {{{missing[0]}: …}}`")


def _circle(exam: Examination, namespace: str, flow: Flow) -> tuple[list[str], bool] | None:
    """Return the ids from `flow` to one that runs the flow that is checked, and whether a condition is on the way."""
    seen = {(namespace, flow.id)}
    todo: list[tuple[str, Flow, list[str], bool]] = [(namespace, flow, [flow.id], False)]
    while todo and len(seen) < _MOST_FLOWS:
        where, current, names, guarded = todo.pop()
        for site, step in _subflows(current):
            key = (step.namespace or where, step.flow)
            may_end = guarded or _may_end(site)
            if key == (exam.namespace, exam.flow.id):
                return names, may_end
            following = exam.flows(*key) if exam.flows is not None and key not in seen else None
            seen.add(key)
            if following is not None:
                todo.append((key[0], following, [*names, following.id], may_end))
    return None


def always_run_by(exam: Examination) -> Iterator[tuple[str, str]]:
    """Yield namespace and id of the flows that each run of the flow that is checked runs, as far as that is known."""
    seen: set[tuple[str, str]] = set()
    todo = [(exam.namespace, exam.flow)]
    while todo and len(seen) < _MOST_FLOWS:
        where, current = todo.pop()
        for site, step in _subflows(current):
            key = (step.namespace or where, step.flow)
            if key in seen or _may_end(site):
                continue
            seen.add(key)
            yield key
            if exam.flows is not None and (following := exam.flows(*key)) is not None:
                todo.append((key[0], following))


def _subflows(flow: Flow) -> Iterator[tuple[Site, Subflow]]:
    for site in tree_of(flow).sites:
        step = site.step
        if isinstance(step, Subflow) and not step.disabled and not is_templated([step.flow, step.namespace]):
            yield site, step


def _may_end(site: Site) -> bool:
    """Say whether a condition stands before the task: then a flow that runs itself may come to an end."""
    for one in (site, *site.owners()):
        step = one.step
        if step is not None and (step.when not in (None, True) or step.disabled):
            return True
        if isinstance(step, (If, Switch)) or one.block == "errors" or one.iterates:
            return True
    return False


def _report_circle(exam: Examination, path: Path, names: list[str], guarded: bool) -> None:
    chain = " runs ".join(f"`{name}`" for name in names)
    if guarded:
        exam.report("recursive-subflow", f"the flow may run itself: {chain}", path, "see to it that it ends")
    else:
        exam.report("subflow-circle", f"the flow runs itself and never ends: {chain}", path,
                    "take one of these subflows out")  # fmt: skip
