"""Runs flows as a user's program would, and says what became of them."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rota.flows.loader import LoadedFlow, load_flow
from rota.server.application import Application
from rota.server.records import public
from rota.settings import Settings
from tests.flows import probe

PATIENCE = 100.0
"""Seconds after which something that should happen has not."""


class Run:
    """One execution, as its rows tell it."""

    def __init__(self, app: Application, id: str) -> None:
        self.app = app
        self.id = id

    @property
    def row(self) -> dict[str, Any]:
        return self.app.executions.get(self.id)

    @property
    def state(self) -> str:
        return str(self.row["state"])

    @property
    def problem(self) -> dict[str, Any]:
        return self.row["problem"] or {}

    @property
    def outputs(self) -> Any:
        return public(self.row["outputs"])

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        """The task runs by name: `dump`, `backup[a]/dump`; frames as a whole are left out."""
        rows = self.app.executions.task_runs(self.id, limit=100_000)
        return {_name(row): row for row in rows if row["node"]}

    @property
    def states(self) -> dict[str, str]:
        """The states of the task runs by name."""
        return {name: row["state"] for name, row in self.rows.items()}

    @property
    def attempts(self) -> list[tuple[str, int, str]]:
        """The earlier attempts: name, number, state."""
        return [(_name(row), row["attempt"], row["state"]) for row in self.app.executions.attempts(self.id)]

    @property
    def lines(self) -> list[str]:
        """The messages of the log, in order."""
        return [row["message"] for row in self.app.executions.logs(self.id, limit=100_000)]

    def error(self, name: str) -> str:
        """The message of a task run's problem."""
        return str((self.rows[name]["problem"] or {}).get("message", ""))

    def output(self, name: str) -> Any:
        """The output of a task run."""
        path, _, node = name.rpartition("/")
        return self.app.executions.output(self.id, path, node)

    def wait(self, timeout: float = PATIENCE) -> Run:
        """Wait for the end."""
        if self.app.executions.wait(self.id, timeout) is None:
            raise AssertionError(f"it has not ended: {self.row['state']} {self.states}")
        return self

    def until(self, name: str, state: str) -> Run:
        """Wait until a task run is in a state."""
        eventually(lambda: self.states.get(name) == state, lambda: f"`{name}` never became {state}: {self.states}")
        return self

    def holds(self, name: str, gate: str) -> Run:
        """Wait until a `probe.hold` has really begun: it is running before its thread has come to it."""
        self.until(name, "running")
        eventually(lambda: bool(probe.seen.get(f"started {gate}")), lambda: f"`{name}` never began")
        return self

    def becomes(self, state: str) -> Run:
        """Wait until the execution is in a state."""
        eventually(lambda: self.state == state, lambda: f"it never became {state}: {self.state} {self.states}")
        return self

    def restart(self, **how: Any) -> Run:
        """Restart it, and wait for the end."""
        self.app.executions.restart(self.id, **how)
        return self.wait()


class Rota:
    """A home, an application in it, and flows to run."""

    def __init__(self, home: Path, **settings: Any) -> None:
        self.home = home
        self.folder = home / "flows"
        self.folder.mkdir(parents=True)
        self.settings = {"home": home, "durability": "process", "grace": "300ms", **settings}
        self.app = Application(Settings(**self.settings))
        self.app.maintenance.make_key()
        self._count = 0

    def load(self, source: str, id: str = "") -> LoadedFlow:
        """Write a flow file and load it."""
        self._count += 1
        source = textwrap.dedent(source)
        if not any(line.startswith("id:") for line in source.splitlines()):
            source = f"id: {id or f'flow-{self._count}'}\n{source}"
        path = self.folder / f"{self._count}.yaml"
        path.write_text(source)
        return load_flow(path)

    def start(self, source: str, inputs: Mapping[str, Any] | None = None, **how: Any) -> Run:
        """Start a flow file as `rota run FILE` does."""
        return Run(self.app, self.app.executions.run_file(self.load(source), inputs or {}, **how))

    def run(self, source: str, inputs: Mapping[str, Any] | None = None, **how: Any) -> Run:
        """Start a flow file, and wait for its end."""
        return self.start(source, inputs, **how).wait()

    def deploy(self, source: str, id: str = "") -> str:
        """Deploy a flow, and return its id."""
        loaded = self.load(source, id)
        self.app.flows.deploy(loaded)
        return str(loaded.flow.id)

    def begin(self, flow: str, inputs: Mapping[str, Any] | None = None, namespace: str = "default") -> Run:
        """Start a deployed flow in this process."""
        return Run(self.app, self.app.executions.start(namespace, flow, inputs or {}, here=True))

    def children(self, run: Run) -> list[Run]:
        """The executions of an execution's subflows, oldest first."""
        rows = self.app.executions.list(parent_id=run.id)
        return [Run(self.app, row["id"]) for row in reversed(rows)]

    def reopen(self) -> None:
        """End this process's part and begin anew, on the same home."""
        self.app.close()
        self.app = Application(Settings(**self.settings))

    def close(self) -> None:
        """End everything."""
        self.app.close()


def eventually(holds: Callable[[], bool], why: Callable[[], str] = lambda: "it never came true") -> None:
    """Wait until something holds."""
    limit = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > limit:
            raise AssertionError(why())
        time.sleep(0.01)


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['path']}/{row['node']}" if row["path"] else str(row["node"])
