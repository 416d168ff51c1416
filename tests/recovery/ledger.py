"""The plugin of the recovery tests: its tasks write what they do to a ledger that survives every kill."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from rota import Context, Event, Task, TaskFailed, Trigger, hookimpl

RECORD = 512


def note(ctx: Context, event: str) -> None:
    """Append one line to the ledger named by the environment, on disk when this returns."""
    line = {
        "execution": ctx.execution_id,
        "task": ctx.task_run_id,
        "attempt": ctx.attempt,
        "event": event,
        "at": time.monotonic(),
        "pid": os.getpid(),
    }
    ledger = os.open(os.environ["RECOVERY_LEDGER"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        # Of a length that divides a page: a write across two may end in the middle when the process is killed.
        os.write(ledger, json.dumps(line).ljust(RECORD - 1).encode() + b"\n")
        os.fsync(ledger)
    finally:
        os.close(ledger)


class Once(Task):
    """Do something that must not be done twice.

    Example:
        - {id: move, type: ledger.once, seconds: 0.1}
    """

    seconds: float = 0.0
    """How long it takes."""
    until: str = ""
    """A file that has to be there before it ends."""
    fails: int = 0
    """How many attempts fail."""
    value: Any = None
    """What it returns."""

    def run(self, ctx: Context) -> Any:
        note(ctx, "start")
        ctx.cancelled.wait(self.seconds)
        while not (self.may_end() or ctx.cancelled.wait(0.01)):
            pass
        if ctx.cancelled.is_set():
            note(ctx, "stopped")
            return None
        note(ctx, "end")
        if ctx.attempt <= self.fails:
            raise TaskFailed(f"attempt {ctx.attempt} fails")
        return {"value": self.value}

    def may_end(self) -> bool:
        """Whether the file is there."""
        return not self.until or os.path.exists(self.until)  # noqa: PTH110 - starts quickly


class Again(Once):
    """Do something that may be done again.

    Example:
        - {id: copy, type: ledger.again, seconds: 0.1}
    """

    idempotent: ClassVar[bool] = True


class Stubborn(Once):
    """Do something that does not listen when it is told to end.

    Example:
        - {id: stuck, type: ledger.stubborn, until: /tmp/go-on}
    """

    def run(self, ctx: Context) -> Any:
        note(ctx, "start")
        while not self.may_end():
            time.sleep(0.01)
        note(ctx, "end")
        return {"value": self.value}


class Child(Task):
    """Run a shell that writes to the ledger itself, sleeps, and writes again.

    Example:
        - {id: program, type: ledger.child, seconds: 1}
    """

    idempotent: ClassVar[bool] = True
    seconds: float = 0.0
    """How long it takes."""

    def run(self, ctx: Context) -> Any:
        line = '{"execution": "%s", "task": "%s", "attempt": %d, "event": "%%s", "at": 0, "pid": %%d}'
        line %= (ctx.execution_id, ctx.task_run_id, ctx.attempt)
        say = f"printf '%-{RECORD - 1}s\\n' \"$(printf '{line}' $1 $$)\" >> \"$RECOVERY_LEDGER\""
        script = f"say() {{ {say}; }}; say start; sleep {self.seconds}; say end"
        result = ctx.process(["sh", "-c", script], env={"RECOVERY_LEDGER": os.environ["RECOVERY_LEDGER"]})
        if ctx.cancelled.is_set():
            return None
        if result.exit_code:
            raise TaskFailed(f"exit code {result.exit_code}")
        return {"value": "child"}


class Odd(Task):
    """Bring out a text that UTF-8, or a database, cannot hold.

    Example:
        - {id: odd, type: ledger.odd, where: log}
    """

    where: str
    """Where it goes: log, output, error, kv, metric, state."""

    def run(self, ctx: Context) -> Any:
        text = "NUL \0 and a lone surrogate \udc80"
        if self.where == "log":
            ctx.log.info(text)
        elif self.where == "error":
            raise TaskFailed(text)
        elif self.where == "kv":
            ctx.kv.set(text, text)
        elif self.where == "metric":
            ctx.metric(text, float("inf"))
        elif self.where == "state":
            ctx.state[text] = text
        return {"text": text} if self.where == "output" else None


class Lines(Trigger):
    """Take the lines of a file, a few at a time, and say in another which were taken.

    Example:
        - {id: lines, type: ledger.lines, file: /tmp/lines}
    """

    file: str
    """The file; what was taken is said in that with `.taken` at its end."""

    def poll(self, ctx: Context) -> Iterable[Event]:
        place = ctx.state.get("place", 0)
        found = Path(self.file).read_text().splitlines()[place : place + 3]
        ctx.state["place"] = place + len(found)
        return [Event(line, {"line": line}) for line in found]

    def ack(self, events: Sequence[Event]) -> None:
        with Path(f"{self.file}.taken").open("a") as taken:
            taken.writelines(f"{event.key}\n" for event in events)
            taken.flush()
            os.fsync(taken.fileno())


@hookimpl
def register_triggers() -> Iterable[type[Trigger]]:
    return [Lines]


@hookimpl
def register_task_types() -> Iterable[type[Task]]:
    return [Once, Again, Stubborn, Child, Odd]
