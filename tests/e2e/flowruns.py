"""Runs the bank's flows on a running bank, through the application, and reads what they left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rota.errors import Finding
from rota.flows.checker import check
from rota.flows.loader import LoadedFlow, load_flow
from rota.server.application import Application
from rota.store.artifacts import TaskArtifacts
from tests.lab import rotafile
from tests.lab.bank import Bank
from tests.lab.server import ROOT

if TYPE_CHECKING:
    from pymongo import MongoClient
    from pymongo.database import Database

Document = dict[str, Any]
FLOWS = ROOT / "examples" / "bank"
KEPT = ("admin", "config", "local")


@dataclass(frozen=True)
class Ran:
    """How an execution ended; `problem` is the message of what failed first, `log` all its lines."""

    id: str
    state: str
    outputs: dict[str, Any]
    problem: str
    log: str


class FlowRuns:
    """The flows of `examples/bank` by name; `run` and `restart` end when the execution has ended."""

    def __init__(self, bank: Bank, app: Application, settings: Path) -> None:
        self.bank = bank
        self.app = app
        self.settings = settings

    def flow(self, name: str) -> LoadedFlow:
        """Return a flow as it is in its file."""
        return load_flow(_path(name))

    def wait_for(self, what: Callable[[], bool]) -> None:
        """Return once `what` is true, which must be within 100 seconds."""
        limit = time.monotonic() + 100
        while not what():
            assert time.monotonic() < limit, "it did not come"
            time.sleep(0.005)

    def findings(self, name: str) -> list[Finding]:
        """Return what `rota check` says about a flow."""
        return check(load_flow(_path(name)), self.app.plugins, self.app.settings)

    def run(self, name: str, inputs: Mapping[str, Any] | None = None) -> Ran:
        """Run a flow to its end, within 60 seconds."""
        return self.run_loaded(self.flow(name), inputs)

    def start_deployed(self, name: str, inputs: Mapping[str, Any] | None = None) -> str:
        """Deploy a flow and start it for the server that is there, or comes; return the execution's id."""
        flow = self.flow(name)
        self.app.flows.deploy(flow)
        return self.app.executions.start("bank", flow.flow.id, inputs or {})

    @contextmanager
    def served(self, failpoint: str = "") -> Iterator[subprocess.Popen[bytes]]:
        """Run a server, which kills itself at `failpoint`; it is killed at the end."""
        argv = [sys.executable, "-m", "rota", "serve"]
        environment = {**os.environ, "ROTA_SETTINGS": str(self.settings), "ROTA_FAILPOINT": failpoint}
        quiet = subprocess.DEVNULL
        with subprocess.Popen(argv, env=environment, stdout=quiet, stderr=quiet, start_new_session=True) as server:
            try:
                yield server
            finally:
                server.kill()

    def run_loaded(self, flow: LoadedFlow, inputs: Mapping[str, Any] | None = None) -> Ran:
        """Run a flow that is in no file, in the same way."""
        return self.ended(self.app.executions.run_file(flow, inputs or {}))

    def restart(self, execution: str, *, run_lost: bool = False, patience: float = 200) -> Ran:
        """Go on with an execution at what did not succeed, to its end, within `patience` seconds."""
        self.app.executions.restart(execution, run_lost=run_lost)
        return self.ended(execution, patience)

    def states(self, execution: str) -> dict[str, str]:
        """Return the state of every task run by its id, such as `facts[db-01]/system`."""
        found: dict[str, str] = {}
        after: tuple[str, str] | None = None
        while page := self.app.executions.task_runs(execution, after=after):
            found |= {f"{row['path']}/{row['node']}".lstrip("/"): str(row["state"]) for row in page if row["node"]}
            after = page[-1]["path"], page[-1]["node"]
        return found

    def read(self, artifact: Mapping[str, Any]) -> bytes:
        """Return the content of an artifact, as an output of the flow has it."""
        files = TaskArtifacts(self.app.store, self.app.resources.artifacts, "", "", "")
        with files.open(artifact["$artifact"]["uri"]) as file:
            return file.read()

    @contextmanager
    def mongodb(self, cluster: str | None = None) -> Iterator[MongoClient[Document]]:
        """Lend an administrator's client of a cluster's MongoDB, or of the bank's own."""
        from pymongo import MongoClient

        names = [each["name"] for each in self.bank.clusters]
        index = len(names) if cluster is None else names.index(cluster)
        with MongoClient[Document](self.bank.mongodb.uri(index), tz_aware=True) as client:
            yield client

    @contextmanager
    def reference(self, database: str = "reference") -> Iterator[Database[Document]]:
        """Lend a database of the bank's own MongoDB."""
        with self.mongodb() as client:
            yield client[database]

    def ended(self, execution: str, patience: float = 200) -> Ran:
        """Return how an execution ended, within `patience` seconds."""
        row = self.app.executions.wait(execution, patience)
        assert row is not None, self._log(execution)
        problem = row["problem"] or {}
        return Ran(row["id"], row["state"], row["outputs"] or {}, problem.get("message", ""), self._log(execution))

    def _log(self, execution: str) -> str:
        lines, after = [], 0
        while page := self.app.executions.logs(execution, after=after):
            lines += [line["message"] for line in page]
            after = page[-1]["id"]
        return "\n".join(lines)


def _path(name: str) -> Path:
    return FLOWS / name / "flow.yaml"


@contextmanager
def flow_runs(bank: Bank, folder: Path) -> Iterator[FlowRuns]:
    """Open Rota on `bank` with the settings that the lab writes, and a home in `folder`."""
    bank.inventory.set_clusters(bank.clusters)
    bank.smtp.clear()
    settings = rotafile.write(bank, folder)
    with Application.open(settings) as app:
        runs = FlowRuns(bank, app, settings)
        with runs.mongodb() as client:
            for name in set(client.list_database_names()).difference(KEPT):
                client.drop_database(name)
        yield runs
    bank.fleet.mend()
