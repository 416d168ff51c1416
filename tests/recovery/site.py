"""A home for Rota with the ledger's plugin, servers on it that can be killed, and a client that asks things of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import rota
from rota.errors import StoreBusy
from rota.flows.loader import parse_flow
from rota.server.application import Application
from rota.settings import Settings, load_settings
from rota.store import flows, open_store
from rota.store.migrate import migrate
from tests.lab.process import stands_still
from tests.recovery.ledger import RECORD

SOURCE = Path(rota.__file__).parent.parent
PATIENCE = 150.0
"""Seconds after which a test gives up waiting."""


class Site:
    """A folder with settings, a database, a ledger, and the servers started on them."""

    def __init__(self, folder: Path, store: str | None = None, **settings: Any) -> None:
        """`store` is the URL of an empty PostgreSQL database; default: a file. `settings` go into `rota.yaml`."""
        self.folder, self.home = folder, folder / "home"
        self.ledger_file = folder / "ledger"
        self.kills: list[float] = []
        self.servers: list[Server] = []
        _install(folder / "site")
        lines: dict[str, Any] = {"home": str(self.home), "lease": "1s" if store is None else "2s"}
        lines |= {"grace": "300ms", "workers": 8}
        lines |= {"drain_timeout": "5s", "durability": "process"} | settings
        if store is not None:
            lines["store"] = store
            migrate(store)
        self.settings_file = folder / "rota.yaml"
        self.settings_file.write_text(json.dumps(lines))
        self.settings: Settings = load_settings(self.settings_file)
        os.environ.setdefault("RECOVERY_LEDGER", "")
        self.app = Application(self.settings)
        self.app.maintenance.make_key()
        open_store(self.settings.store).close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for server in self.servers:
            server.kill()
        self.app.close()

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every process on this site."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder),
            "PYTHONPATH": os.pathsep.join([str(self.folder / "site"), str(SOURCE)]),
            "RECOVERY_LEDGER": str(self.ledger_file),
        }

    # --- servers

    def serve(self, *, failpoint: str = "", **env: str) -> Server:
        """Start a server and return it when it says that it serves."""
        server = self.launch("serve", failpoint=failpoint, **env)
        server.wait_for("serving as")
        return server

    def launch(self, *arguments: str, failpoint: str = "", **env: str) -> Server:
        """Start `rota ARGUMENTS` and return at once."""
        if failpoint:
            env["ROTA_FAILPOINT"] = failpoint
        server = Server(self, arguments, env)
        self.servers.append(server)
        return server

    # --- a client

    def deploy(self, *sources: str) -> None:
        """Deploy flows, given as YAML."""
        with self.app.store.write() as conn:
            for source in sources:
                flow = parse_flow(source, "flow.yaml").flow
                flows.deploy(conn, "default", flow.id, source, {}, author="test", at=time.time())

    def start(self, flow: str, inputs: Mapping[str, Any] | None = None) -> str:
        """Start a deployed flow and return the execution's id; a server takes it."""
        with _plugin(self.folder / "site"):
            return self.app.executions.start("default", flow, inputs or {})

    def until(self, condition: Callable[[], object], what: str = "", seconds: float = PATIENCE) -> None:
        """Wait until `condition()` is true; a database that is away says nothing."""
        limit = time.monotonic() + seconds
        while True:
            with suppress(StoreBusy):
                if condition():
                    return
            if time.monotonic() > limit:
                raise AssertionError(f"waited {seconds:g} s in vain{f' for {what}' if what else ''}\n{self.story()}")
            time.sleep(0.01)

    def ended(self, execution: str, seconds: float = PATIENCE) -> dict[str, Any]:
        """Wait until an execution has ended and return its row."""
        self.until(lambda: self.row(execution)["ended_at"] is not None, f"the end of {execution}", seconds)
        return self.row(execution)

    def row(self, execution: str) -> dict[str, Any]:
        """Return the row of an execution."""
        return self.app.executions.get(execution)

    def runs(self, execution: str) -> dict[str, dict[str, Any]]:
        """Return the task runs of an execution by name, `backup[a]/dump`; the flow itself is ``."""
        with self.app.store.read() as conn:
            from rota.store import task_runs

            rows = task_runs.of_execution(conn, execution)
        return {"/".join(part for part in (row["path"], row["node"]) if part): row for row in rows}

    def states(self, execution: str) -> dict[str, str]:
        """Return the states of an execution's task runs by name."""
        return {name: str(row["state"]) for name, row in self.runs(execution).items()}

    # --- what there is to see

    def notes(self) -> int:
        """Return how many lines the ledger has."""
        return self.ledger_file.stat().st_size // RECORD if self.ledger_file.exists() else 0

    def ledger(self, execution: str | None = None) -> list[dict[str, Any]]:
        """Return the lines of the ledger (of one execution)."""
        if not self.ledger_file.exists():
            return []
        lines = [json.loads(line) for line in self.ledger_file.read_text().splitlines()]
        return [line for line in lines if execution in (None, line["execution"])]

    def starts(self, execution: str, task: str) -> int:
        """Return how often a task run was started."""
        found = [line for line in self.ledger(execution) if line["task"] == task and line["event"] == "start"]
        return len(found)

    def story(self) -> str:
        """Return what the servers said."""
        return "\n".join(f"--- {server.name}\n{server.output()[-4000:]}" for server in self.servers[-4:])


class Server:
    """A process on a site: `rota serve`, or another command."""

    def __init__(self, site: Site, arguments: tuple[str, ...], env: Mapping[str, str]) -> None:
        self._site = site
        self.name = f"{arguments[0]}-{len(site.servers)}"
        self._log = site.folder / f"{self.name}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "rota", "--settings", str(site.settings_file), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=site.folder,
                env={**site.environment, **env},
            )

    def output(self) -> str:
        """Return what it wrote so far."""
        return self._log.read_text(errors="replace")

    def wait_for(self, text: str) -> None:
        """Wait until it has written `text`."""
        self._site.until(lambda: text in self.output() or self._gone(text), f"`{text}`")

    def _gone(self, text: str) -> bool:
        if self.process.poll() is not None and text not in self.output():
            raise AssertionError(f"it ended without having written `{text}`:\n{self.output()}")
        return False

    def kill(self) -> None:
        """Kill it at once, if it runs."""
        if self.process.poll() is None:
            self._site.kills.append(time.monotonic())
            self.process.kill()
        self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def freeze(self) -> None:
        """Stop all of its threads, and wait until they are: one that takes a lock at this moment may take it still."""
        self.signal(signal.SIGSTOP)
        self._site.until(lambda: stands_still(self.process.pid), "every thread to stop")

    def wait(self, seconds: float = PATIENCE) -> int:
        """Wait until it has ended and return its exit code, -N for signal N."""
        code = self.process.wait(seconds)
        if code < 0:
            self._site.kills.append(time.monotonic())
        return code


def _install(folder: Path) -> None:
    """Install the ledger's plugin as a dist of its own."""
    info = folder / "rota_ledger-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "rota_ledger.py").write_text(Path(__file__).with_name("ledger.py").read_text())
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rota-ledger\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[rota]\nledger = rota_ledger\n")


@contextmanager
def _plugin(folder: Path) -> Iterator[None]:
    """Have the plugin importable here: what starts an execution checks that its types are there."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
