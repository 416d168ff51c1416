"""Task types that do what no good one would: the plugin `probe` of the tests of flows."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, SecretStr

from rota import Artifact, Context, Task, TaskFailed, hookimpl

gates: dict[str, threading.Event] = {}
"""What tasks wait for, by name; tests open them."""
seen: dict[str, list[Any]] = {}
"""What tasks have told, by name."""
_lock = threading.Lock()


def gate(name: str) -> threading.Event:
    """Return the gate `name`, the same for tasks and tests."""
    with _lock:
        return gates.setdefault(name, threading.Event())


def tell(name: str, value: Any) -> None:
    """Keep `value` for the test."""
    with _lock:
        seen.setdefault(name, []).append(value)


def reset() -> None:
    """Open what still waits, and forget everything."""
    with _lock:
        for event in gates.values():
            event.set()
        gates.clear()
        seen.clear()


class Hold(Task):
    """Run until the gate opens; end at once on cancel, unless it is stubborn.

    Example:
        - {id: hold, type: probe.hold, gate: a}
    """

    gate: str
    """What it waits for."""
    stubborn: bool = False
    """Ignore the cancel."""
    partial: Any = None
    """What `ctx.output` is given first."""

    def run(self, ctx: Context) -> dict[str, str]:
        tell(f"started {self.gate}", ctx.task_run_id)
        if self.partial is not None:
            ctx.output(self.partial)
        event = gate(self.gate)
        while not event.is_set() and (self.stubborn or not ctx.cancelled.is_set()):
            event.wait(0.01)
        tell(f"ended {self.gate}", ctx.task_run_id)
        return {"passed": self.gate}


class Flaky(Task):
    """Fail in the first attempts.

    Example:
        - {id: flaky, type: probe.flaky, failures: 2}
    """

    failures: int = 1
    """How many attempts fail."""
    retryable: bool | None = None
    """What `TaskFailed` says."""
    error: Literal["task", "value", "connection"] = "task"
    """What it raises."""
    partial: Any = None
    """What an attempt that fails leaves behind."""
    value: Any = "well"
    """What it returns."""

    def run(self, ctx: Context) -> Any:
        tell("keys", ctx.idempotency_key)
        ctx.state["tries"] = ctx.state.get("tries", 0) + 1
        tell("tries", ctx.state["tries"])
        if ctx.attempt <= self.failures:
            if self.error == "value":
                raise ValueError(f"attempt {ctx.attempt}")
            if self.error == "connection":
                raise ConnectionResetError(f"attempt {ctx.attempt}")
            raise TaskFailed(f"attempt {ctx.attempt}", self.retryable, self.partial)
        return self.value


class _Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text for this")


class _Odd:
    pass


class Odd(Task):
    """Raise or return what nobody expects.

    Example:
        - {id: odd, type: probe.odd, what: set}
    """

    what: str
    """What to do."""

    def run(self, ctx: Context) -> Any:
        loop: list[Any] = []
        loop.append(loop)
        returns: dict[str, Any] = {
            "object": _Odd(),
            "loop": loop,
            "nan": float("nan"),
            "surrogate": "a\ud800b\x00c",
            "bytes": b"\xff",
            "set": {1},
            "key": {("a", "b"): 1},
            "integer key": {1: "x"},
            "date": datetime(2026, 1, 2, 3, 4, 5).astimezone(),
        }
        if self.what in returns:
            return returns[self.what]
        if self.what == "line":
            ctx.log.info("a\ud800b\x00c", when=datetime.now().astimezone(), odd=_Odd(), nan=float("nan"))
            ctx.log.info(17)  # type: ignore[arg-type]
            ctx.metric("m", float("nan"), tag=3)  # type: ignore[arg-type]
            ctx.progress(float("inf"))
            return None
        raises: dict[str, BaseException] = {
            "error": RuntimeError("something broke"),
            "unprintable": _Unprintable(),
            "exit": SystemExit(3),
            "interrupt": KeyboardInterrupt(),
            "surrogate error": RuntimeError("a\ud800b\x00c"),
            "long error": RuntimeError("x" * 100_000),
            "generator exit": GeneratorExit(),
        }
        raise raises[self.what]


class Credentials(BaseModel):
    """What a login gives."""

    user: str
    """Who."""
    token: SecretStr
    """Its token."""


class Login(Task):
    """Give a secret as output.

    Example:
        - {id: login, type: probe.login, token: t0ken-value}
    """

    token: str
    """The secret."""

    def run(self, ctx: Context) -> Credentials:
        return Credentials(user="me", token=SecretStr(self.token))


class Use(Task):
    """Take secrets in fields of both kinds, and try to leak them.

    Example:
        - {id: use, type: probe.use, text: a}
    """

    text: str = ""
    """Plain text."""
    secret: SecretStr = SecretStr("")
    """A secret."""
    anything: Any = None
    """Whatever."""
    fail: bool = False
    """Fail with the text."""

    def run(self, ctx: Context) -> dict[str, Any]:
        shown = self.secret.get_secret_value()
        tell("used", (self.text, shown, type(self.anything).__name__))
        ctx.log.info(f"text={self.text} secret={shown} any={self.anything}", field=self.text)
        if self.fail:
            raise TaskFailed(f"no luck with {self.text}{shown}", output={"left": self.text})
        ctx.output({"partial": self.text})
        return {"text": self.text, "secret": shown}


class Connect(Task):
    """Use a client of the execution.

    Example:
        - {id: connect, type: probe.connect}
    """

    key: str = "server"
    """Which client."""
    shared: bool = False
    """May many use it at once."""
    broken: bool = False
    """Lose the connection while using it."""
    gate: str = ""
    """Wait for this while using it."""

    def run(self, ctx: Context) -> int:
        def open_client() -> list[str]:
            tell("opened", self.key)
            return [self.key]

        with ctx.client(
            ("probe", self.key), open_client, lambda client: tell("closed", client[0]), shared=self.shared
        ) as client:
            if self.gate:
                gate(self.gate).wait(10)
            if self.broken:
                raise ConnectionResetError("gone")
            return len(client)


class Store(Task):
    """Store a file, or read one.

    Example:
        - {id: store, type: probe.store, text: hello}
    """

    text: str = ""
    """What to store."""
    artifact: Artifact | None = None
    """What to read instead."""

    def run(self, ctx: Context) -> Any:
        if self.artifact is not None:
            with ctx.artifacts.open(self.artifact) as file:
                return file.read().decode()
        path = ctx.workdir / "made.txt"
        path.write_text(self.text)
        tell("workdir", str(ctx.workdir))
        ctx.metric("bytes", len(self.text), place="here")
        ctx.progress(1, 2)
        return {"file": ctx.artifacts.save(path)}


class Lines(Task):
    """Log many lines.

    Example:
        - {id: lines, type: probe.lines, count: 3}
    """

    count: int
    """How many."""
    size: int = 100
    """How long each is."""

    def run(self, ctx: Context) -> None:
        text = "x" * self.size
        for _ in range(self.count):
            ctx.log.info(text)


@hookimpl
def register_task_types() -> Iterable[type[Task]]:
    """Return the task types."""
    return [Connect, Flaky, Hold, Lines, Login, Odd, Store, Use]
