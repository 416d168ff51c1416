"""What all checks work on: the flow, what is known around it, and the findings so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from yaml.nodes import ScalarNode

from rota.errors import Finding, Place, PluginError
from rota.extensions import Task, Trigger
from rota.flows.checker.codes import CODES
from rota.flows.checker.positions import place_within
from rota.flows.checker.spots import Spot, spots_of
from rota.flows.checker.tree import Tree, tree_of
from rota.flows.models import Flow
from rota.flows.places import Path

if TYPE_CHECKING:
    from rota.flows.loader import LoadedFlow
    from rota.plugins import Plugins
    from rota.settings import NamespaceSettings, Settings

FlowLookup = Callable[[str, str], Flow | None]
"""Gives the flow of a namespace and an id, or None where there is none."""


@dataclass(eq=False)
class Examination:
    """One check of one flow. `knows_all_flows` says that a flow which `flows` does not find does not exist."""

    loaded: LoadedFlow
    plugins: Plugins
    settings: Settings | None
    flows: FlowLookup | None
    namespace: str
    knows_all_flows: bool = False
    findings: list[Finding] = field(default_factory=list)
    types: dict[str, type[Task] | None] = field(default_factory=dict)

    @property
    def flow(self) -> Flow:
        return self.loaded.flow

    @cached_property
    def tree(self) -> Tree:
        """The sites of the flow."""
        return tree_of(self.loaded.flow)

    @cached_property
    def spots(self) -> list[Spot]:
        """The places of the flow where an expression may stand."""
        return list(spots_of(self.flow, self.tree, self.type_of, self.trigger_of))

    @cached_property
    def around(self) -> NamespaceSettings | None:
        """The settings of the namespace."""
        return None if self.settings is None else self.settings.namespace_settings(self.namespace)

    @cached_property
    def _lines(self) -> list[str]:
        return self.loaded.source.split("\n")

    def type_of(self, name: str) -> type[Task] | None:
        """Return the class of a task type, or None where it cannot be had."""
        if name not in self.types:
            try:
                self.types[name] = self.plugins.task_type(name)
            except PluginError:
                self.types[name] = None
        return self.types[name]

    def trigger_of(self, name: str) -> type[Trigger] | None:
        """Return the class of a plugin's trigger type, or None where it cannot be had."""
        try:
            return self.plugins.trigger_type(name)
        except PluginError:
            return None

    def report(
        self, code: str, message: str, path: Path, hint: str = "", *, key: bool = False, place: Place | None = None
    ) -> None:
        """Note a finding at the value (or the key) at `path`, or at `place`; each is told once."""
        if place is None:
            place = self.loaded.places.key(path) if key else self.loaded.places.value(path)
        finding = Finding(code, message, place, hint, CODES[code].severity)
        if finding not in self.findings:
            self.findings.append(finding)

    def place(self, path: Path, offset: int) -> Place:
        """Return where character `offset` of the text at `path` stands."""
        node = self.loaded.places.node(path)
        if isinstance(node, ScalarNode):
            return place_within(node, self._lines, offset, self.loaded.file)
        return self.loaded.places.value(path)
