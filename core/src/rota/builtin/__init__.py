"""The core's own extensions, brought in by the door that plugins use. This module only registers."""

from __future__ import annotations

from collections.abc import Iterable

from rota import AlertSink, SecretBackend, Task, hookimpl
from rota.builtin.assertions import Assert
from rota.builtin.keyvalue import KvDelete, KvGet, KvSet
from rota.builtin.mail import Mail
from rota.builtin.messages import Log
from rota.builtin.python import Python
from rota.builtin.secrets import Env, File
from rota.builtin.shell import Shell
from rota.builtin.sinks import LogSink, Webhook
from rota.builtin.variables import Output, Set


@hookimpl
def register_task_types() -> Iterable[type[Task]]:
    """Return the task types, which have no prefix."""
    return [Assert, KvDelete, KvGet, KvSet, Log, Output, Python, Set, Shell]


@hookimpl
def register_secret_backends() -> Iterable[type[SecretBackend]]:
    """Return the secret backends."""
    return [Env, File]


@hookimpl
def register_alert_sinks() -> Iterable[type[AlertSink]]:
    """Return the alert sinks."""
    return [LogSink, Mail, Webhook]
