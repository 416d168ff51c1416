"""Checks what starts the flow: types, fields, inputs, and circles of flows that start each other."""

from __future__ import annotations

from datetime import timedelta

from rota.errors import PluginError
from rota.flows.checker.examination import Examination
from rota.flows.checker.fields import Owner, check_fields
from rota.flows.checker.schedules import check_schedule
from rota.flows.checker.steps import report_type
from rota.flows.checker.subflows import always_run_by, check_inputs
from rota.flows.models import Flow
from rota.flows.places import Path
from rota.flows.triggers import AnyTrigger, FlowCondition, FlowTrigger, PluginTrigger, ScheduleTrigger, WebhookTrigger

_MOST_FLOWS = 200


def check_triggers(exam: Examination) -> None:
    """Report what is wrong with the triggers of the flow."""
    for index, trigger in enumerate(exam.flow.triggers):
        path: Path = ("triggers", index)
        if isinstance(trigger, ScheduleTrigger):
            check_schedule(exam, trigger, path)
        elif isinstance(trigger, FlowTrigger):
            _check_after(exam, trigger, path)
        elif isinstance(trigger, WebhookTrigger):
            if trigger.token is None and trigger.hmac is None:
                message = f"trigger `{trigger.id}` has neither `token` nor `hmac`: anybody can start the flow"
                exam.report("open-webhook", message, (*path, "type"), "add `token` or `hmac`")
        else:
            _check_plugin(exam, trigger, path)
        check_inputs(exam, exam.flow, trigger.inputs, (*path, "inputs"), f"trigger `{trigger.id}`", at=(*path, "id"))


def _check_plugin(exam: Examination, trigger: PluginTrigger, path: Path) -> None:
    try:
        cls = exam.plugins.trigger_type(trigger.type)
    except PluginError as error:
        report_type(exam, f"trigger `{trigger.id}`", "trigger", trigger.type, (*path, "type"), error)
        return
    check_fields(exam, Owner(path, trigger.id, trigger.type, "trigger"), cls, trigger.fields, {})


def _check_after(exam: Examination, trigger: FlowTrigger, path: Path) -> None:
    _check_window(exam, trigger, (*path, "window"))
    for index, condition in enumerate(trigger.after):
        place = (*path, "after", index)
        if _fits(condition, exam.namespace, exam.namespace, exam.flow.id):
            message = f"trigger `{trigger.id}` starts the flow after the flow itself: it would never end"
            hint = "name another flow" if condition.flow else "name the flows: `flow: …`"
            exam.report("trigger-circle", message, place, hint)
            continue
        own = [flow for where, flow in always_run_by(exam) if _fits(condition, exam.namespace, where, flow)]
        if own and (trigger.match == "any" or len(trigger.after) == 1):
            message = (
                f"trigger `{trigger.id}` starts the flow after `{own[0]}`, which it runs itself: it would never end"
            )
            exam.report("trigger-circle", message, place, "name another flow, or labels that its own subflows have not")
            continue
        _check_named(exam, condition, place)


def _check_window(exam: Examination, trigger: FlowTrigger, path: Path) -> None:
    if trigger.window is None:
        return
    if trigger.match == "any" or len(trigger.after) == 1:
        message = f"`window` of trigger `{trigger.id}` has no meaning: one end is enough to start the flow"
        exam.report("misplaced-key", message, path, "remove it, or use `match: all` with several conditions", key=True)
    elif trigger.window < timedelta(seconds=1):
        message = f"`window` of trigger `{trigger.id}` cannot be met: no two flows end at the very same moment"
        exam.report("invalid-value", message, path, "write how long the ends may lie apart: `6h`")


def _check_named(exam: Examination, condition: FlowCondition, place: Path) -> None:
    """Follow the flow that is named, and what starts that, as far as flows are known."""
    if exam.flows is None or condition.flow is None or (condition.namespace or "").endswith("*"):
        return
    namespace = condition.namespace or exam.namespace
    found = exam.flows(namespace, condition.flow)
    if found is None and not exam.knows_all_flows:
        return
    if found is None:
        exam.report("unknown-flow", f"there is no flow `{namespace}/{condition.flow}`", (*place, "flow"),
                    "`rota flows list` shows what is deployed")  # fmt: skip
        return
    chain = _chain(exam, namespace, found)
    if chain is not None:
        text = " after ".join(f"`{name}`" for name in [exam.flow.id, *chain, exam.flow.id])
        exam.report("trigger-circle", f"flows start each other in a circle: {text}", place,
                    "take the flow out of one of these triggers")  # fmt: skip


def _chain(exam: Examination, namespace: str, flow: Flow) -> list[str] | None:
    """Return the ids from `flow` on to one that starts after the flow that is checked."""
    seen = {(namespace, flow.id)}
    todo: list[tuple[str, Flow, list[str]]] = [(namespace, flow, [flow.id])]
    while todo and len(seen) < _MOST_FLOWS:
        where, current, chain = todo.pop()
        for condition in _conditions(current.triggers):
            if _fits(condition, where, exam.namespace, exam.flow.id):
                return chain
            key = (condition.namespace or where, condition.flow or "")
            following = exam.flows(*key) if exam.flows and condition.flow and key not in seen else None
            seen.add(key)
            if following is not None:
                todo.append((key[0], following, [*chain, following.id]))
    return None


def _conditions(triggers: list[AnyTrigger]) -> list[FlowCondition]:
    return [one for trigger in triggers if isinstance(trigger, FlowTrigger) and not trigger.disabled
            for one in trigger.after]  # fmt: skip


def _fits(condition: FlowCondition, own: str, namespace: str, flow: str) -> bool:
    """Say whether executions of the flow `flow` in `namespace` are meant; labels may tell more, and are not known."""
    wanted = condition.namespace or own
    prefix = wanted.removesuffix(".*")
    inside = namespace == prefix or (wanted != prefix and namespace.startswith(f"{prefix}."))
    return inside and condition.flow in (None, flow) and not condition.labels
