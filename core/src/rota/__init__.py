"""Rota runs operations across fleets. These are the names a plugin author imports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Name -> module. They are loaded on first touch: `rota --help` must not pay for pydantic.
_EXPORTS = {
    "Alert": "extensions",
    "AlertSink": "extensions",
    "Application": "server.application",
    "Artifact": "context",
    "ArtifactStore": "extensions",
    "Conflict": "errors",
    "Context": "context",
    "Duration": "flows.durations",
    "Evaluated": "extensions",
    "Event": "extensions",
    "Executor": "extensions",
    "Expression": "extensions",
    "Lease": "extensions",
    "NotFound": "errors",
    "ProcessResult": "context",
    "Raw": "extensions",
    "RotaError": "errors",
    "Secret": "extensions",
    "SecretBackend": "extensions",
    "SecretError": "errors",
    "Service": "extensions",
    "Shell": "extensions",
    "Task": "extensions",
    "TaskFailed": "errors",
    "Trigger": "extensions",
    "hookimpl": "hookspecs",
}

__all__ = ["__version__", *_EXPORTS]

if TYPE_CHECKING:
    # `X as X` says to type checkers that the name is ours to give on.
    from rota.context import Artifact as Artifact
    from rota.context import Context as Context
    from rota.context import ProcessResult as ProcessResult
    from rota.errors import Conflict as Conflict
    from rota.errors import NotFound as NotFound
    from rota.errors import RotaError as RotaError
    from rota.errors import SecretError as SecretError
    from rota.errors import TaskFailed as TaskFailed
    from rota.extensions import Alert as Alert
    from rota.extensions import AlertSink as AlertSink
    from rota.extensions import ArtifactStore as ArtifactStore
    from rota.extensions import Evaluated as Evaluated
    from rota.extensions import Event as Event
    from rota.extensions import Executor as Executor
    from rota.extensions import Expression as Expression
    from rota.extensions import Lease as Lease
    from rota.extensions import Raw as Raw
    from rota.extensions import Secret as Secret
    from rota.extensions import SecretBackend as SecretBackend
    from rota.extensions import Service as Service
    from rota.extensions import Shell as Shell
    from rota.extensions import Task as Task
    from rota.extensions import Trigger as Trigger
    from rota.flows.durations import Duration as Duration
    from rota.hookspecs import hookimpl as hookimpl
    from rota.server.application import Application as Application


def __getattr__(name: str) -> Any:
    module = _EXPORTS.get(name)
    if module is None:
        raise AttributeError(f"module `rota` has no attribute `{name}`")
    from importlib import import_module

    value = getattr(import_module(f"rota.{module}"), name)
    globals()[name] = value
    return value
