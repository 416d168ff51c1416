"""Revisions made ready to run, kept for the executions that share them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from rota.conductor.live import Revision
from rota.errors import Finding, FlowError, NotFound, Place
from rota.executions.interpreter.program import compile_flow
from rota.executions.prepare import Prepared
from rota.flows.models import Flow, TaskStep
from rota.store import Connection, flows

if TYPE_CHECKING:
    from rota.conductor.resources import Resources

KEPT = 256


class Revisions:
    """Loads revisions by id; the most used stay. Safe for threads."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._ready: OrderedDict[tuple[int, str], Revision] = OrderedDict()
        self._ahead: dict[int, dict[str, Any]] = {}
        self._lock = threading.RLock()

    def get(self, conn: Connection | None, revision_id: int, namespace: str) -> Revision:
        """Return a revision as it runs in `namespace`; without `conn` it is read by itself where it is not known yet.

        Raises NotFound, FlowError, PluginError.
        """
        with self._lock:
            return self._get(conn, revision_id, namespace)

    def known(self, revision_id: int, namespace: str) -> Revision | None:
        """Return a revision if it is ready, or was read ahead. Raises FlowError, PluginError."""
        with self._lock:
            found = self._ready.get((revision_id, namespace))
            if found is None and revision_id in self._ahead:
                found = self._keep(self._ahead.pop(revision_id), namespace)
            return found

    def read_ahead(self, conn: Connection, wanted: Iterable[tuple[int, str]]) -> None:
        """Read revisions, by id and namespace, that are asked for soon, all at once."""
        with self._lock:
            missing = {number for number, namespace in wanted if (number, namespace) not in self._ready}
            self._ahead = {row["id"]: row for row in flows.revisions_of(conn, list(missing))} if missing else {}

    def forget(self) -> None:
        """Make all ready anew when they are next asked for: the settings have changed."""
        with self._lock:
            self._ready.clear()
            self._ahead.clear()

    def _get(self, conn: Connection | None, revision_id: int, namespace: str) -> Revision:
        key = (revision_id, namespace)
        found = self._ready.get(key)
        if found is None and conn is None:
            with self._resources.store.read() as own:
                return self._get(own, revision_id, namespace)
        if found is None:
            assert conn is not None
            row = flows.revision(conn, revision_id)
            if row is None:
                raise NotFound(f"revision {revision_id} is not there any more")
            found = self._keep(row, namespace)
        self._ready.move_to_end(key)
        return found

    def _keep(self, row: dict[str, Any], namespace: str) -> Revision:
        found = self._ready[row["id"], namespace] = self._made_ready(row, namespace)
        while len(self._ready) > KEPT:
            self._ready.popitem(last=False)
        return found

    def _made_ready(self, row: dict[str, Any], namespace: str) -> Revision:
        from rota.flows.loader import parse_flow

        settings = self._resources.settings.namespace_settings(namespace)
        name = f"{row['namespace']}/{row['flow']}.yaml"
        flow = parse_flow(row["source"], name, defaults_of=lambda _: settings.defaults).flow
        prepared = {}
        for step in tasks_of(flow):
            if not settings.allows(step.type):
                message = f"task `{step.id}`: the type `{step.type}` is not allowed in namespace `{namespace}`"
                raise FlowError([Finding("type-not-allowed", message, Place(name))])
            prepared[step.id] = Prepared(step, self._resources.plugins)
        return Revision(
            row["id"],
            namespace,
            flow,
            compile_flow(flow),
            prepared,
            tuple(step.id for step in tasks_of(flow) if step.type == "set"),
            row["files"],
        )


def tasks_of(flow: Flow) -> Iterator[TaskStep]:
    """Yield every plugin task of a flow, at any depth, in document order."""
    stack: list[Any] = [*reversed([*flow.tasks, *flow.errors, *flow.finally_])]
    while stack:
        step = stack.pop()
        if isinstance(step, TaskStep):
            yield step
            continue
        lists = [getattr(step, name, None) or [] for name in ("tasks", "then", "else_", "default")]
        lists += list(getattr(step, "cases", {}).values())
        lists += [getattr(step, "errors", []), getattr(step, "finally_", [])]
        stack.extend(reversed([child for children in lists for child in children]))
