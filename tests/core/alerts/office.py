"""An evaluator without a server: executions are rows, time is a number, sinks keep what they are sent."""

from __future__ import annotations

import textwrap
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import SecretStr

from rota import Alert, AlertSink, Context
from rota.alerts.evaluator import Evaluator, Surroundings, Watch
from rota.builtin.secrets import Env
from rota.errors import PluginError
from rota.extensions import SecretBackend
from rota.settings import Settings, load_settings
from rota.store import Connection, Store, deliveries, executions, flows, incidents, outbox

T = TypeVar("T")
START = 1_767_225_600.0
"""2026-01-01 00:00:00 UTC."""
FLOW = "id: {id}\nnamespace: {namespace}\ntasks: [{{id: a, type: log, message: hello}}]\n"
SINKS = "sinks: [{id: chat, type: record}, {id: mail, type: record}]\n"
OPS = SINKS + "alerts: [{id: ops, to: [chat], group: 30s}]\n"


class Recorder(AlertSink):
    """Keep what is sent, unless a test has it fail."""

    place: str = ""
    token: SecretStr | None = None

    got: ClassVar[dict[str, list[Alert]]] = {}
    behaviours: ClassVar[dict[str, Callable[[Alert, Context], object]]] = {}

    def send(self, alert: Alert, ctx: Context) -> None:
        behave = self.behaviours.get(self.place)
        if behave is not None:
            behave(alert, ctx)
        self.got.setdefault(self.place, []).append(alert)

    @classmethod
    def forget(cls) -> None:
        cls.got.clear()
        cls.behaviours.clear()


class Catalogue:
    """The plugins, as far as sinks need them."""

    def alert_sink(self, name: str) -> type[AlertSink]:
        if name != "record":
            raise PluginError(f"unknown alert sink `{name}`")
        return Recorder


class Office:
    """What a test works with; `now` is the time."""

    def __init__(
        self,
        store: Store,
        folder: Path,
        settings: str = OPS,
        *,
        watches: Callable[[Office], list[Watch]] = lambda _: [],
        backends: Mapping[str, SecretBackend] | None = None,
    ) -> None:
        file = folder / "rota.yaml"
        file.write_text(textwrap.dedent(settings or OPS))
        self.settings: Settings = load_settings(file, env={})
        for section in self.settings.sinks:
            section.__pydantic_extra__.setdefault("place", section.id)  # type: ignore[union-attr]
        self.store = store
        self.now = START
        self.holds = True
        self.refuse: BaseException | None = None
        self.written = 0
        self.backends = backends if backends is not None else {"env": Env()}
        self._watches = watches
        self.evaluator = self.another()

    def another(self) -> Evaluator:
        """Return a further evaluator over the same store, as a server has after a restart."""
        around = Surroundings(
            self.store,
            self.settings,
            Catalogue(),  # type: ignore[arg-type]
            self.submit,
            lambda: self.holds,
            lambda: self.backends,
            self._watches(self),
            clock=lambda: self.now,
        )
        return Evaluator(around, threading.Event())

    def submit(self, write: Callable[[Connection], T]) -> T:
        if self.refuse is not None:
            refusal, self.refuse = self.refuse, None
            raise refusal
        self.written += 1
        with self.store.write() as conn:
            return write(conn)

    # --- what happens

    def deploy(self, flow: str = "backup", namespace: str = "bank", more: str = "") -> int:
        """Deploy a flow and return its revision."""
        source = FLOW.format(id=flow, namespace=namespace) + textwrap.dedent(more)
        with self.store.write() as conn:
            return flows.deploy(conn, namespace, flow, source, {}, author="", at=self.now).revision_id

    def ends(self, state: str = "failed", flow: str = "backup", namespace: str = "bank", **columns: Any) -> str:
        """Have an execution come into a state, and return its id."""
        (found,) = self.all_end([flow], state, namespace, **columns)
        return found

    def all_end(self, names: list[str], state: str = "failed", namespace: str = "bank", **columns: Any) -> list[str]:
        """Have an execution of each of many flows come into a state, in one transaction."""
        problem = {"type": "TaskFailed", "message": f"exit code 4\n{state}", "task": "dump", "target": ""}
        rows = [
            {
                "id": f"{int(self.now * 1000):012x}{number:08x}{time.monotonic_ns() & 0xFFFFFFFFFFF:012x}",
                "namespace": namespace,
                "flow": name,
                "state": state,
                "created_at": self.now,
                "started_at": self.now,
                "ended_at": None if state in ("paused", "running") else self.now,
                "problem": problem if state == "failed" else None,
                **columns,
            }
            for number, name in enumerate(names)
        ]
        with self.store.write() as conn:
            executions.insert_many(conn, rows)
        self.changes([row["id"] for row in rows], state)
        return [row["id"] for row in rows]

    def changes(self, ids: list[str], state: str, run: int = 1) -> None:
        """Say that executions came into a state."""
        rows = [{"execution_id": one, "run": run, "state": state, "created_at": self.now} for one in ids]
        with self.store.write() as conn:
            outbox.add(conn, rows)

    # --- what comes of it

    def settle(self, seconds: float = 0.0) -> None:
        """Let time pass, and the evaluator turn until there is nothing to do."""
        self.now += seconds
        turn(self.evaluator)

    def pass_time(self, seconds: float, step: float = 5.0) -> None:
        """Let time pass in steps, as a server would see it."""
        until = self.now + seconds
        while self.now < until:
            self.settle(min(step, until - self.now))

    def got(self, sink: str = "chat") -> list[Alert]:
        """Return what a sink has taken so far."""
        return Recorder.got.get(sink, [])

    def titles(self, sink: str = "chat") -> list[str]:
        """Return the titles of what a sink has taken so far."""
        return [alert.title for alert in self.got(sink)]

    def behave(self, sink: str, how: Callable[[Alert, Context], object]) -> None:
        """Have a sink do something first, which may fail."""
        Recorder.behaviours[sink] = how

    def deliveries(self) -> list[dict[str, Any]]:
        """Return the messages in the store, oldest first."""
        with self.store.read() as conn:
            return deliveries.page(conn, limit=10_000)[::-1]

    def incidents(self) -> list[dict[str, Any]]:
        """Return the incidents in the store, oldest first."""
        with self.store.read() as conn:
            return incidents.page(conn, limit=100_000)[::-1]


def turn(evaluator: Evaluator) -> None:
    """Have an evaluator turn until it has nothing to do at this time, and nothing is being sent."""
    until = time.monotonic() + 60
    while evaluator.turn() == 0.0 or evaluator._post.busy():
        assert time.monotonic() < until, "the evaluator does not come to rest"
        time.sleep(0.001)
    if not evaluator._post._ended.empty():
        turn(evaluator)


def refuse(message: str = "out of order") -> Callable[[Alert, Context], object]:
    """Return what has a sink refuse everything."""

    def behave(alert: Alert, ctx: Context) -> None:
        raise ConnectionError(message)

    return behave
