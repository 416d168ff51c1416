"""The short way for an expression that is nothing but names: `{{ outputs.dump.stdout }}`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rota.flows.templates.access import member, name
from rota.flows.templates.budget import Evaluation
from rota.flows.templates.calls import GLOBALS
from rota.flows.templates.undefined import Missing, join_path


def lookup_runner(path: tuple[str | int, ...]) -> Callable[[Evaluation], Any]:
    """Return the function that looks up `path` for an evaluation, without generated code."""
    first, steps, written = str(path[0]), [], str(path[0])
    for key in path[1:]:
        steps.append((key, written))
        written = join_path(written, key)

    def run(evaluation: Evaluation) -> Any:
        value = name(evaluation, first)
        if isinstance(value, Missing) and first in GLOBALS:
            value = GLOBALS[first]
        for key, owner in steps:
            value = member(evaluation, value, key, owner)
        return value

    return run
