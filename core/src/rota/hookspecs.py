"""The hooks, all optional. A plugin is a module, named by an entry point of the group `rota`.

    [project.entry-points.rota]
    tcp = "rota_tcp.plugin"

Commands are an entry-point group of their own, `rota.commands`: one click command each, imported when called.
"""

# mypy: disable-error-code="empty-body"
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from rota.extensions import AlertSink, ArtifactStore, Executor, SecretBackend, Service, Task, Trigger

hookspec = pluggy.HookspecMarker("rota")
hookimpl = pluggy.HookimplMarker("rota")


@hookspec
def register_task_types() -> Iterable[type[Task]]:
    """Return the plugin's task types.

    @hookimpl
    def register_task_types():
        return [Check]
    """


@hookspec
def register_triggers() -> Iterable[type[Trigger]]:
    """Return the plugin's polling triggers."""


@hookspec
def register_secret_backends() -> Iterable[type[SecretBackend]]:
    """Return the plugin's secret backends, which `secrets:` in `rota.yaml` then names by type."""


@hookspec
def register_alert_sinks() -> Iterable[type[AlertSink]]:
    """Return the plugin's alert sinks, which `sinks:` in `rota.yaml` then names by type."""


@hookspec
def register_executors() -> Iterable[type[Executor]]:
    """Return the plugin's executors."""


@hookspec
def register_services() -> Iterable[type[Service]]:
    """Return the plugin's services; the section of `rota.yaml` with the plugin's name holds their fields."""


@hookspec
def register_artifact_stores() -> Iterable[type[ArtifactStore]]:
    """Return the plugin's artifact stores, which `artifacts:` in `rota.yaml` then names by type."""


@hookspec
def register_filters() -> Mapping[str, Callable[..., Any]]:
    """Return filters for expressions: pure, quick functions of plain values.

    @hookimpl
    def register_filters():
        return {"reverse_dns": lambda name: ".".join(reversed(name.split(".")))}
    """


@hookspec
def execution_changed(execution: Mapping[str, Any]) -> None:
    """Hear that an execution came into a new state: at least once, after the commit, off the hot path.

    `execution` has `id, namespace, flow, state, run`, as `rota executions show --json` prints them.
    """


@hookspec
def add_hookspecs(manager: pluggy.PluginManager) -> None:
    """Open hooks of the plugin's own; others implement those with `@hookimpl(optionalhook=True)`.

    @hookimpl
    def add_hookspecs(manager):
        manager.add_hookspecs(my_hookspecs)
    """
