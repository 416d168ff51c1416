"""A clock that is put forward or back: waits are absolute times, deadlines of running tasks are not."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rota.flows.loader import parse_flow
from rota.server.application import Application
from rota.settings import Settings
from rota.store import flows

HOUR = 3600.0
FLOW = """
id: clock
tasks:
  - {id: work, type: shell, command: "until test -e %(door)s; do sleep 0.02; done", timeout: %(timeout)s}
"""
NAP = """
id: nap
tasks:
  - {id: nap, type: sleep, duration: 1h}
"""


class Clock:
    """The wall clock of this process, which can be put forward and back; the monotonic one stays as it is."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.offset = 0.0
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + self.offset)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def app(tmp_path: Path, clock: Clock) -> Iterator[Application]:
    with Application(Settings(home=tmp_path, lease="1s", grace="100ms")) as application:
        application.maintenance.make_key()
        application.maintenance.migrate()
        application.conductor(server=True)
        yield application


def _start(app: Application, source: str) -> str:
    name = parse_flow(source, "flow.yaml").flow.id
    with app.store.write() as conn:
        flows.deploy(conn, "default", name, source, {}, author="test", at=1.0)
    return app.executions.start("default", name, {})


def _until_running(app: Application, execution: str, node: str) -> None:
    while not any(row["node"] == node and row["state"] == "running" for row in app.executions.task_runs(execution)):
        time.sleep(0.01)


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_a_step_of_the_clock_ends_no_task(app: Application, clock: Clock, tmp_path: Path, step: float) -> None:
    execution = _start(app, FLOW % {"door": tmp_path / "door", "timeout": "30m"})
    _until_running(app, execution, "work")
    clock.offset = step
    # It looks at what others ask, and renews its lease, as before.
    other = _start(app, "id: other\ntasks:\n  - {id: say, type: log, message: still here}\n")
    ended = app.executions.wait(other, 30)
    assert ended is not None
    assert ended["state"] == "success"
    (tmp_path / "door").touch()
    row = app.executions.wait(execution, 30)
    assert row is not None
    assert row["state"] == "success"


def test_a_clock_put_back_keeps_no_task_from_its_timeout(app: Application, clock: Clock, tmp_path: Path) -> None:
    execution = _start(app, FLOW % {"door": tmp_path / "never", "timeout": "500ms"})
    _until_running(app, execution, "work")
    clock.offset = -HOUR
    row = app.executions.wait(execution, 30)
    assert row is not None
    assert row["problem"]["type"] == "timeout"


def test_a_wait_is_over_when_the_clock_says_so(app: Application, clock: Clock) -> None:
    execution = _start(app, NAP)
    _until_running(app, execution, "nap")
    clock.offset = HOUR + 1
    row = app.executions.wait(execution, 30)
    assert row is not None
    assert row["state"] == "success"
