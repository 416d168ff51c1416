"""Finds before a run what others find at night: every check of a flow that has loaded."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rota.errors import Finding
from rota.flows.checker.alerts import check_alerts
from rota.flows.checker.codes import CODES, Code
from rota.flows.checker.examination import Examination, FlowLookup
from rota.flows.checker.expressions import check_expressions
from rota.flows.checker.neighbours import flows_among, flows_beside
from rota.flows.checker.schedules import check_clock
from rota.flows.checker.scopes import check_scopes
from rota.flows.checker.steps import check_steps
from rota.flows.checker.subflows import check_subflows
from rota.flows.checker.triggers import check_triggers
from rota.flows.checker.unused import check_unused
from rota.flows.checker.world import World

if TYPE_CHECKING:
    from rota.flows.loader import LoadedFlow
    from rota.plugins import Plugins
    from rota.settings import Settings

__all__ = ["CODES", "Code", "FlowLookup", "check"]


def check(
    loaded: LoadedFlow,
    plugins: Plugins,
    settings: Settings | None = None,
    *,
    flows: FlowLookup | None = None,
    files: Sequence[Path] = (),
    namespace: str | None = None,
) -> list[Finding]:
    """Return what is wrong with a flow, errors and warnings, the loader's too, in the order of the text.

    `settings` tell of variables, secret backends and allowed types. Other flows are looked for in files beside this
    one, in `files`, and by `flows`; only with that a flow that is not found is a finding. `namespace` replaces the
    flow's. Nothing is run or rendered but constants; plugins are imported.
    """
    from rota.flows.templates import use_filters

    use_filters(plugins.filters)
    where = namespace or loaded.flow.namespace or "default"
    exam = Examination(loaded, plugins, settings, _lookup(loaded, files, flows, where), where, flows is not None)
    world = World(exam)
    check_steps(exam, world)
    used = check_expressions(exam, world)
    check_scopes(exam, world)
    check_clock(exam, loaded.flow)
    check_triggers(exam)
    check_alerts(exam)
    check_subflows(exam)
    check_unused(exam, used)
    found = dict.fromkeys([*loaded.warnings, *exam.findings])
    return sorted(found, key=lambda finding: (finding.place.line, finding.place.column))


def _lookup(loaded: LoadedFlow, files: Sequence[Path], flows: FlowLookup | None, namespace: str) -> FlowLookup:
    lookups = [flows_beside(loaded.file, namespace), flows_among(files, namespace), *([flows] if flows else [])]
    return lambda where, name: next((flow for find in lookups if (flow := find(where, name))), None)
