"""Finds inputs and variables that nothing uses."""

from __future__ import annotations

from rota.flows.checker.examination import Examination
from rota.flows.checker.expressions import Used


def check_unused(exam: Examination, used: Used) -> None:
    """Report what is declared and never used, unless all of them may be."""
    if None not in used.inputs:
        for index, spec in enumerate(exam.flow.inputs):
            if spec.id not in used.inputs:
                hint = "remove it, or use it: `{{ inputs." + spec.id + " }}`"
                exam.report("unused-input", f"nothing uses the input `{spec.id}`", ("inputs", index, "id"), hint)
    if None not in used.variables:
        for name in exam.flow.variables:
            if name not in used.variables:
                hint = "remove it, or use it: `{{ vars." + name + " }}`"
                exam.report("unused-variable", f"nothing uses the variable `{name}`", ("variables", name), hint,
                            key=True)  # fmt: skip
