"""Plugins as a bank has them, installed as dists of the test's own, and a way to check a flow in a line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rota.errors import Finding
from rota.flows.checker import check
from rota.flows.loader import load_flow
from rota.plugins import Plugins
from tests.core.dists import Dists
from tests.core.dists import dists as dists

SSH = '''
"""Programs on other hosts."""
from typing import Annotated, Literal
from pydantic import BaseModel, SecretStr
from rota import Artifact, Context, Shell, Task, hookimpl

class Result(BaseModel):
    """How the program ended."""
    exit_code: int
    stdout: str | Artifact
    stderr: str

class Command(Task):
    """Run a program on a host."""
    host: str
    """The host."""
    user: str
    """The user."""
    private_key: SecretStr | None = None
    """The key."""
    command: Annotated[str | list[str], Shell()]
    """The program."""
    port: int = 22
    """The port."""
    stdout: Literal["text", "artifact"] = "text"
    """Where the output goes."""
    def run(self, ctx: Context) -> Result: ...

@hookimpl
def register_task_types():
    return [Command]
'''

OBJECTSTORE = '''
"""Objects in a store."""
from pydantic import BaseModel
from rota import Artifact, Context, Event, Task, Trigger, hookimpl

class Stored(BaseModel):
    """What was stored."""
    size: int
    sha256: str

class Put(Task):
    """Store a file."""
    uri: str
    """Where."""
    file: Artifact
    """What."""
    def run(self, ctx: Context) -> Stored: ...

class Arrived(Trigger):
    """Start when an object arrives."""
    bucket: str
    """The bucket."""
    def poll(self, ctx: Context) -> list[Event]: ...

@hookimpl
def register_task_types():
    return [Put]

@hookimpl
def register_triggers():
    return [Arrived]
'''

HTTP = '''
"""Requests over HTTP."""
from dataclasses import dataclass
from typing import Any
from pydantic import SecretStr
from rota import Context, Task, hookimpl

@dataclass
class Answer:
    """What came back."""
    status: int
    text: str
    json: Any
    token: SecretStr

class Request(Task):
    """Send a request."""
    url: str
    """Where to."""
    retries: int = 0
    """How often."""
    tags: list[str] = []
    """Tags."""
    def run(self, ctx: Context) -> Answer: ...

@hookimpl
def register_task_types():
    return [Request]

@hookimpl
def register_filters():
    return {"reversed_name": lambda text: text[::-1]}
'''

Check = Callable[..., list[str]]


@pytest.fixture
def plugins(tmp_path: Path, dists: Dists) -> Plugins:
    for name, source in (("ssh", SSH), ("objectstore", OBJECTSTORE), ("http", HTTP)):
        dists.install(name, source)
    return Plugins()


@pytest.fixture
def findings(tmp_path: Path, plugins: Plugins) -> Callable[..., list[Finding]]:
    """Write a flow into a folder of its own and check it; `files` are written beside it."""

    def run(source: str, files: dict[str, str] | None = None, **options: Any) -> list[Finding]:
        folder = tmp_path / "flow"
        for name, text in {"flow.yaml": source, **(files or {})}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        return check(load_flow(folder / "flow.yaml"), plugins, **options)

    return run


@pytest.fixture
def points(findings: Callable[..., list[Finding]]) -> Check:
    """Check a flow of the id `f`; return what is found as `code @ the text that the place points at`."""

    def run(body: str, files: dict[str, str] | None = None, **options: Any) -> list[str]:
        source = f"id: f\n{body}"
        lines = source.splitlines()
        found = findings(source, files, **options)
        return [f"{one.code} @ {lines[one.place.line - 1][one.place.column - 1 :]}" for one in found]

    return run


def begin(found: list[str], expected: list[str]) -> bool:
    """Say whether there are as many findings as expected, each beginning as it should."""
    return len(found) == len(expected) and all(map(str.startswith, found, expected))
