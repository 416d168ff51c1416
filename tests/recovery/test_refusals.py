"""What the store refuses for good, and what is broken inside Rota, fails the executions it touches and no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rota.conductor.conductor import Conductor
from rota.errors import StoreError
from rota.executions.interpreter.frame import Frame
from rota.flows.loader import parse_flow
from rota.server.application import Application
from rota.settings import Settings
from rota.store import flows, locks, outbox, task_runs

BAD = """
id: bad
concurrency: {limit: 1}
tasks:
  - id: alone
    type: sequential
    lock: shared
    tasks:
      - {id: first, type: log, message: first}
      - {id: nap, type: sleep, duration: 200ms}
      - {id: poisoned, type: log, message: never written}
finally:
  - {id: last, type: log, message: last}
"""
GOOD = """
id: good
tasks:
  - {id: work, type: log, message: work, lock: shared}
"""
CALLER = """
id: caller
tasks:
  - {id: call, type: subflow, flow: bad}
errors:
  - {id: told, type: log, message: told}
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Application]:
    settings: dict[str, Any] = {"home": tmp_path, "lease": "2s", "durability": "process"}
    if request.param == "postgresql":
        settings["store"] = request.getfixturevalue("postgres_url")
    with Application(Settings(**settings)) as application:
        application.maintenance.make_key()
        application.maintenance.migrate()
        with application.store.write() as conn:
            for source in (BAD, GOOD, CALLER):
                name = parse_flow(source, "flow.yaml").flow.id
                flows.deploy(conn, "default", name, source, {}, author="test", at=1.0)
        yield application


@pytest.fixture
def conductor(app: Application) -> Conductor:
    return app.conductor(server=True)


def _start(app: Application, flow: str) -> str:
    return app.executions.start("default", flow, {})


def _end(app: Application, execution: str) -> dict[str, Any]:
    row = app.executions.wait(execution, 60)
    assert row is not None
    return row


def _states(app: Application, execution: str) -> dict[str, str]:
    return {str(row["node"]): str(row["state"]) for row in app.executions.task_runs(execution)}


def _changes(app: Application, execution: str) -> list[str]:
    with app.store.read() as conn:
        rows, _ = outbox.after(conn, "")
    return [row["state"] for row in rows if row["execution_id"] == execution]


def _refuse(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Have the store refuse every batch that holds a row of the task `poisoned`."""
    save = task_runs.save_lines

    def refusing(conn: Any, lines: Any) -> None:
        if any(line[2] == "poisoned" for line in lines):
            raise error
        save(conn, lines)

    monkeypatch.setattr(task_runs, "save_lines", refusing)


@pytest.mark.parametrize("error", [StoreError("a constraint failed"), ValueError("no such value")], ids=type)
def test_what_the_store_refuses_for_good_fails_that_execution_alone(
    app: Application, conductor: Conductor, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    _refuse(monkeypatch, error)
    bad, waiting = _start(app, "bad"), _start(app, "bad")
    good = [_start(app, "good") for _ in range(3)]
    row = _end(app, bad)
    assert (row["state"], row["problem"]["type"]) == ("failed", "internal")
    assert "the store refused what happened" in row["problem"]["message"]
    assert _states(app, bad) == {"": "failed", "alone": "failed", "first": "success", "nap": "cancelled"}
    # Its lock and its place are free, and those who waited for them have been told.
    assert [_end(app, one)["state"] for one in good] == ["success"] * 3
    assert _end(app, waiting)["state"] == "failed"
    assert [change for change in _changes(app, bad) if change != "running"] == ["failed"]
    assert conductor.failure is None
    with app.store.read() as conn:
        assert locks.page(conn) == []


def test_an_error_in_the_interpreter_fails_that_execution_and_whoever_waits_for_it_goes_on(
    app: Application, conductor: Conductor, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply = Frame.apply

    def broken(frame: Frame, event: Any) -> Any:
        if getattr(event, "node", "") == "nap" and "nap" in frame.nodes:
            raise RuntimeError("a bug")
        return apply(frame, event)

    monkeypatch.setattr(Frame, "apply", broken)
    caller, good = _start(app, "caller"), _start(app, "good")
    row = _end(app, caller)
    assert row["state"] == "failed"
    assert _states(app, caller) == {"": "failed", "call": "failed", "told": "success"}
    children = app.executions.list(parent_id=caller)
    assert [(one["state"], one["problem"]["type"]) for one in children] == [("failed", "internal")]
    assert _states(app, children[0]["id"])["alone"] == "failed"
    assert [_end(app, one)["state"] for one in (good, _start(app, "good"))] == ["success", "success"]
    assert conductor.failure is None


def test_a_call_from_another_thread_hears_what_the_store_refused(app: Application, conductor: Conductor) -> None:
    def wrong(_: object) -> None:
        raise KeyError("wrong")

    good = _start(app, "good")
    with pytest.raises(KeyError, match="wrong"):
        conductor.submit(wrong)
    assert conductor.submit(lambda _: 1) == 1
    assert _end(app, good)["state"] == "success"
