"""`rota init`: makes a folder ready: settings, a key for secrets, an example flow."""

from __future__ import annotations

from pathlib import Path

import click

from rota.cli.output import note, say
from rota.errors import UsageError

_SETTINGS = """\
# The settings of Rota. Relative paths count from this file; `rota.yaml` is found in the folder where `rota` is called.
home: .rota        # everything that Rota keeps: the database, artifacts, the key that encrypts secrets
flows: [flows]     # what `rota check` and `rota flows deploy` take when they are given nothing
timezone: UTC      # where dates are shown and schedules are read, unless a flow says otherwise
"""
_FLOW = """\
id: hello
namespace: examples
description: Greets a few people, each in a program of its own.
inputs:
  - {id: greeting, type: string, default: hello, description: What to say}
variables:
  people: [Ada, Grace, Barbara]
tasks:
  - id: greet
    type: foreach
    items: vars.people
    key: "{{ item }}"
    concurrency: 2
    tasks:
      - id: say
        type: shell
        command: [echo, "{{ inputs.greeting }}, {{ item }}"]
  - id: done
    type: log
    message: "{{ outputs.greet.counts.success }} people were greeted"
"""
_FILES = {"rota.yaml": _SETTINGS, "flows/hello.yaml": _FLOW, ".gitignore": ".rota/\n"}


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=".")
def command(folder: Path) -> None:
    """Make a folder ready for Rota.

    Writes rota.yaml, an example in flows/hello.yaml, a .gitignore, and a key for secrets in .rota/secret.key that only
    its owner can read. What is there already stays as it is.
    """
    from rota.server.application import Application

    try:
        for name, text in _FILES.items():
            _write(folder / name, text)
    except OSError as error:
        raise UsageError(f"`{error.filename}` cannot be written: {(error.strerror or 'input error').lower()}") from None
    with Application.open(folder / "rota.yaml") as app:
        app.maintenance.make_key()
        note(f"the key that encrypts secrets is in {app.settings.secret_key_file}: keep a copy of it in a safe place")
    step = "" if folder.resolve() == Path.cwd() else f"cd {folder} && "
    say(f"next: {step}rota run flows/hello.yaml")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        note(f"kept {path}, which was there")
    else:
        say(f"wrote {path}")
