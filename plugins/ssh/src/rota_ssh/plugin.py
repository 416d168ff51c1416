"""What the plugin brings to Rota. This module only registers."""

from __future__ import annotations

from collections.abc import Iterable

from rota import Task, Trigger, hookimpl
from rota_ssh.command import Command
from rota_ssh.download import Download
from rota_ssh.file_appeared import FileAppeared
from rota_ssh.script import Script
from rota_ssh.upload import Upload


@hookimpl
def register_task_types() -> Iterable[type[Task]]:
    """Return the task types; `Command` is `ssh.command` in flows."""
    return [Command, Script, Upload, Download]


@hookimpl
def register_triggers() -> Iterable[type[Trigger]]:
    """Return the trigger `ssh.file_appeared`."""
    return [FileAppeared]
