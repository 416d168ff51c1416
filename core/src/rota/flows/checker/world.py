"""What every name of an expression stands for, as far as that is known before a run."""

from __future__ import annotations

from typing import Any

from rota.errors import ExpressionError
from rota.extensions import Task
from rota.flows.checker.examination import Examination
from rota.flows.checker.inference import infer
from rota.flows.checker.shapes import (
    ANY,
    ARTIFACT,
    BOOLEAN,
    DATE,
    DURATION,
    INTEGER,
    LIST,
    NULL,
    NUMBER,
    TEXT,
    Shape,
    mapping,
    shape_of_schema,
    shape_of_value,
    union,
)
from rota.flows.checker.spots import Spot
from rota.flows.checker.tree import Site
from rota.flows.describe import UNKNOWN, output_type
from rota.flows.inputs import InputKeys
from rota.flows.models import Fleet, Foreach, Pause, Repeat, Subflow, TaskStep
from rota.flows.templates import compile_expression

RESERVED_COLUMNS = {"key": TEXT, "state": TEXT, "started": union([TEXT, NULL]), "duration": union([NUMBER, NULL]),
                    "error": union([TEXT, NULL])}  # fmt: skip
"""The columns that every row of a `foreach` or `fleet` has."""
_INPUTS = {"string": TEXT, "int": INTEGER, "float": NUMBER, "bool": BOOLEAN, "multiselect": LIST, "date": DATE,
           "datetime": DATE, "time": DATE, "duration": DURATION, "list": LIST, "file": ARTIFACT, "uri": TEXT,
           "email": TEXT, "secret": Shape("string", secret=True)}  # fmt: skip
FIXED = {
    "execution": mapping({"id": TEXT, "state": TEXT, "started_at": DATE, "run": INTEGER}),
    "flow": mapping({"id": TEXT, "namespace": TEXT, "timezone": TEXT}),
    "task": mapping({"id": TEXT, "type": TEXT, "attempt": INTEGER}),
    "error": mapping({"task": TEXT, "target": union([TEXT, NULL]), "message": TEXT, "type": TEXT, "attempt": INTEGER}),
    "trigger": mapping({"id": TEXT, "type": TEXT, "date": DATE, "event": ANY}, ANY),
    "labels": mapping({}, TEXT),
    "alert": mapping(
        {
            "rule": TEXT,
            "kind": TEXT,
            "title": TEXT,
            "text": TEXT,
            "severity": TEXT,
            "state": TEXT,
            "since": DATE,
            "count": INTEGER,
            "recovered": BOOLEAN,
        }
    ),
    "targets": mapping({"failed": LIST, "count": INTEGER, "total": INTEGER}),
    "index": INTEGER,
    "key": TEXT,
}
"""The names that stand for the same in every flow."""
TASK_STATE = mapping({"state": TEXT})


def shape_of_input(spec: InputKeys) -> Shape:
    """Return the shape of an input's value."""
    choices = getattr(spec, "values", None)
    if spec.type == "select" and choices:
        kinds = [shape_of_value(value) for value in choices]
        shape = Shape(kinds[0].kind, values=tuple(choices)) if len({one.kind for one in kinds}) == 1 else union(kinds)
    else:
        shape = _INPUTS.get(spec.type, ANY)
    return union([shape, NULL]) if spec.has_default and spec.default is None else shape


class World:
    """Shapes by name for one flow."""

    def __init__(self, exam: Examination) -> None:
        self._exam = exam
        self._outputs: dict[str, Shape | None] = {}
        self._types: dict[str, Shape | None] = {}
        self.inputs = mapping({spec.id: shape_of_input(spec) for spec in exam.flow.inputs})
        self.variables = self._variables()

    def _variables(self) -> Shape:
        exam = self._exam
        values: dict[str, Any] = {**(exam.around.variables if exam.around else {}), **exam.flow.variables}
        fields = {name: shape_of_value(value) for name, value in values.items()}
        rest = None
        for site in exam.tree.sites:
            if isinstance(site.step, TaskStep) and site.step.type == "set":
                given = site.step.fields.get("values")
                if isinstance(given, dict):
                    fields |= dict.fromkeys(given, ANY)
                else:
                    rest = ANY
        return mapping(fields, rest)

    def name(self, name: str, spot: Spot) -> Shape:
        """Return the shape of a top-level name that may be used at `spot`."""
        if name == "inputs":
            return self.inputs
        if name == "vars":
            return self.variables
        if name in ("item", "target"):
            return self.item(name, spot)
        return FIXED.get(name, ANY)

    def item(self, name: str, spot: Spot) -> Shape:
        """Return the shape of `item` or `target` at `spot`."""
        site = spot.iteration
        while site is not None and name == "target" and not isinstance(site.step, Fleet):
            site = next((owner for owner in site.owners() if owner.iterates), None)
        if site is None or isinstance(site.step, Repeat):
            return ANY
        return self.item_of(site)

    def item_of(self, site: Site) -> Shape:
        """Return the shape of the items of a `foreach` or `fleet`."""
        step = site.step
        assert isinstance(step, (Foreach, Fleet))
        source = step.items if isinstance(step, Foreach) else step.targets
        shape = self.shape(source, site) if isinstance(source, str) else shape_of_value(source)
        if shape.kind == "object":
            values = [*(shape.fields or {}).values(), *([shape.rest] if shape.rest else [])]
            return mapping({"key": TEXT, "value": union(values)})
        return (shape.item or ANY) if shape.kind == "array" else ANY

    def shape(self, source: str, site: Site) -> Shape:
        """Return the shape that the bare expression `source` gives in the task at `site`."""
        try:
            value = compile_expression(source)
            if not value.expressions:
                return shape_of_value(value.render({}))
            return infer(value.expressions[0].expression.tree, lambda keys: self._quiet(keys, site))
        except ExpressionError:
            return ANY

    def _quiet(self, keys: tuple[str | int | None, ...], site: Site) -> Shape:
        first, rest = keys[0], keys[1:]
        shape: Shape | None = {"inputs": self.inputs, "vars": self.variables}.get(str(first)) or ANY
        if first == "outputs" and rest and isinstance(rest[0], str) and rest[0] in self._exam.tree.by_id:
            shape, rest = (self.output(self._exam.tree.by_id[rest[0]]) or ANY), rest[1:]
        for key in rest:
            shape = None if shape is None else shape.step(key)
        return shape or ANY

    def output(self, site: Site) -> Shape | None:
        """Return the shape of a task's output, or None where it has none."""
        if site.id not in self._outputs:
            self._outputs[site.id] = ANY  # whatever reads itself
            self._outputs[site.id] = self._output(site)
        return self._outputs[site.id]

    def _output(self, site: Site) -> Shape | None:
        step = site.step
        if isinstance(step, (Foreach, Fleet, Repeat)):
            columns = RESERVED_COLUMNS | dict.fromkeys(getattr(step, "collect", {}), ANY)
            counts = mapping({"total": INTEGER}, INTEGER)
            return mapping({"rows": Shape("array", item=mapping(columns)), "counts": counts,
                            "failed": Shape("array", item=TEXT)})  # fmt: skip
        if isinstance(step, Pause):
            return mapping({spec.id: shape_of_input(spec) for spec in step.inputs}, ANY)
        if isinstance(step, Subflow):
            return self._of_subflow(step)
        return self._of_task(step) if isinstance(step, TaskStep) else None

    def _of_subflow(self, step: Subflow) -> Shape:
        flow = None
        if self._exam.flows is not None and "{{" not in step.flow + (step.namespace or ""):
            flow = self._exam.flows(step.namespace or self._exam.namespace, step.flow)
        fields = {"execution_id": TEXT}
        if not step.wait:
            return mapping(fields)
        return mapping(fields, ANY) if flow is None else mapping(fields | dict.fromkeys(flow.outputs, ANY))

    def _of_task(self, step: TaskStep) -> Shape | None:
        given = step.fields.get("values")
        if step.type in ("output", "set") and isinstance(given, dict):
            return shape_of_value(given)
        if step.type not in self._types:
            cls = self._exam.type_of(step.type)
            self._types[step.type] = ANY if cls is None else shape_of_output(cls)
        return self._types[step.type]


def shape_of_output(cls: type[Task]) -> Shape | None:
    """Return the shape of what a task type gives, or None where that is nothing."""
    output = output_type(cls)
    if output is UNKNOWN:
        return ANY
    if output is None or output is type(None):
        return None
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticUserError

    try:
        return shape_of_schema(TypeAdapter(output).json_schema(mode="serialization", by_alias=False))
    except (PydanticUserError, TypeError, NameError):
        return ANY
