"""Checks the types of tasks, and the fields that they are given."""

from __future__ import annotations

from rota.errors import PluginError
from rota.flows.checker.examination import Examination
from rota.flows.checker.expressions import result_of
from rota.flows.checker.fields import Owner, check_fields, whole_expression
from rota.flows.checker.functions import check_file
from rota.flows.checker.names import Reader
from rota.flows.checker.shapes import Shape
from rota.flows.checker.spots import Spot
from rota.flows.checker.world import World
from rota.flows.models import CONTROL_TYPES, TaskStep
from rota.flows.places import Path
from rota.flows.similar import closest
from rota.flows.templates import RawValue


def check_steps(exam: Examination, world: World) -> None:
    """Report unknown and forbidden types, and fields that do not fit their type."""
    shapes = _shapes(exam, world)
    for site in exam.tree.sites:
        step = site.step
        if not isinstance(step, TaskStep):
            continue
        path = (*site.path, "type")
        if exam.around is not None and not exam.around.allows(step.type):
            message = f"task `{step.id}`: the type `{step.type}` is not allowed in namespace `{exam.namespace}`"
            exam.report("type-not-allowed", message, path, "`allow` in rota.yaml lists what is")
        try:
            cls = exam.plugins.task_type(step.type)
        except PluginError as error:
            report_type(exam, f"task `{step.id}`", "task type", step.type, path, error)
            continue
        owner = Owner(site.path, step.id, step.type)
        check_fields(exam, owner, cls, step.fields, shapes.get(site.path, {}))
        _check_script(exam, site.path, step)


def report_type(exam: Examination, owner: str, kind: str, name: str, path: Path, error: PluginError) -> None:
    """Report a type that cannot be had, with what the plugins say about it."""
    code = "unknown-type" if error.message.startswith("unknown ") else "broken-plugin"
    also = [*CONTROL_TYPES] if kind == "task type" else ["schedule", "flow", "webhook"]
    if code == "unknown-type":
        error = exam.plugins.unknown(kind, name, also)
    hint = error.hint
    if hint.startswith("`rota plugins`") and (near := closest(name, [*exam.plugins.type_names(kind), *also])):
        hint = f"did you mean `{near}`?"
    exam.report(code, f"{owner}: {error.message}", path, hint)


def _shapes(exam: Examination, world: World) -> dict[Path, dict[str, Shape]]:
    """Return the shapes of fields that are one expression, by the path of their task."""
    reader = Reader(exam, world)
    shapes: dict[Path, dict[str, Shape]] = {}
    for spot in exam.spots:
        if _is_field(spot) and (found := whole_expression(spot.value)) is not None:
            shape = result_of(reader, spot, found)
            if shape.kinds:
                shapes.setdefault(spot.path[:-1], {})[str(spot.path[-1])] = shape
    return shapes


def _is_field(spot: Spot) -> bool:
    step = spot.site.step if spot.site else None
    return (
        isinstance(step, TaskStep)
        and spot.mode == "value"
        and spot.site is not None
        and len(spot.path) == len(spot.site.path) + 1
        and spot.path[-1] in step.fields
    )


def _check_script(exam: Examination, path: Path, step: TaskStep) -> None:
    """Report a script that is not among the files of the flow."""
    script = step.fields.get("script")
    if isinstance(script, RawValue):
        script = script.value
    if step.type == "python" and isinstance(script, str) and "{{" not in script:
        check_file(exam, Spot((*path, "script"), script, "value", frozenset()), script)
