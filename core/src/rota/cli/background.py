"""Runs a flow file in a process of its own that goes on after the command has ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import click

from rota.cli.application import settings_given
from rota.cli.output import say

if TYPE_CHECKING:
    from rota.cli.progress.interrupts import Interrupts
    from rota.flows.given import Typed
    from rota.server.application import Application

OPTION = "--background"
"""The hidden option of `rota run` in the process that does the work."""


def spawn(arguments: Sequence[str], given: dict[str, Typed]) -> str:
    """Start `rota ARGUMENTS --background` and return the id of its execution; inputs go through a pipe, not argv.

    Where it cannot start the execution, what it said is told and the command ends as it did.
    """
    # -P: a folder called `rota` where the command is given must not be taken for the package.
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "rota", *arguments, OPTION],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdin:
        json.dump([_assignment(name, typed) for name, typed in given.items()], process.stdin)
    started = process.stdout.readline().strip()
    if not started:
        click.echo(process.stderr.read().rstrip(), err=True)
        raise click.exceptions.Exit(process.wait() or 1)
    return started


def inputs_from_pipe() -> list[str]:
    """Return the `name=value` texts that `spawn` gave this process."""
    assignments: list[str] = json.load(sys.stdin)
    return assignments


def go_on_alone(app: Application, id: str, interrupts: Interrupts) -> int:
    """Say the execution's id, let go of the terminal, run it to its end, and return the exit code."""
    from rota.cli.progress.following import Shown, follow

    watch = app.executions.watch(id, interval=1.0)
    say(id)
    sys.stdout.flush()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    return follow(app, watch, id, Shown(quiet=True), interrupts)


def arguments_of(what: str, namespace: str | None, labels: Iterable[str]) -> list[str]:
    """Return the arguments of `rota` that run the same flow with the same settings and options."""
    settings = settings_given()
    found = ["--settings", str(settings)] if settings else []
    found += ["run", what]
    if namespace is not None:
        found += ["--namespace", namespace]
    for label in labels:
        found += ["--label", label]
    return found


def _assignment(name: str, typed: Typed) -> str:
    if typed.file is not None:
        return f"{name}=@{typed.file}"
    return f"{name}=@{typed.text}" if typed.text.startswith("@") else f"{name}={typed.text}"
