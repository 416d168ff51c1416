"""A server tells people of what failed, of what did not happen, and of servers that are gone."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rota.alerts import evaluator
from rota.errors import NotFound
from rota.flows.loader import parse_flow
from rota.server.application import Application
from rota.server.planned import planned
from rota.store import conditions, conductors, roles
from tests.core.dists import Dists, dists

__all__ = ["dists"]

PLUGIN = """
from rota import AlertSink, hookimpl

got = []

class Keep(AlertSink):
    '''Keeps what it gets.

    Example:
        - {id: keep, type: pager.keep}
    '''

    def send(self, alert, ctx):
        got.append(alert)

@hookimpl
def register_alert_sinks():
    return [Keep]
"""
FLOW = """
id: backup
namespace: bank
inputs: [{id: broken, type: bool, default: true}]
tasks:
  - {id: dump, type: assert, conditions: ["not inputs.broken"], message: no room on the disk}
alerts:
  - {id: team, to: [keep], group: 0s}
"""


@pytest.fixture
def app(tmp_path: Path, dists: Dists, monkeypatch: pytest.MonkeyPatch) -> Iterator[Application]:
    monkeypatch.setattr(evaluator, "POLL", 0.2)
    dists.install("pager", PLUGIN)
    file = tmp_path / "rota.yaml"
    file.write_text(
        "home: home\ndurability: process\nsinks: [{id: keep, type: pager.keep}]\n"
        "alerts: [{id: ops, to: [keep], about: [server, disk, sla], group: 0s}]\n"
    )
    with Application.open(file) as application:
        application.maintenance.make_key()
        yield application


def got(app: Application) -> list[Any]:
    """Return what the sink has got."""
    found: list[Any] = vars(sys.modules[app.plugins.alert_sink("pager.keep").__module__])["got"]
    return found


def until(condition: Callable[[], object]) -> None:
    last = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < last, "it did not come to that"
        time.sleep(0.02)


@contextmanager
def telling(app: Application) -> Iterator[None]:
    """Have the part run, until the block ends."""
    stop, wake = threading.Event(), threading.Event()
    part = app.alerts.part(wake)
    thread = threading.Thread(target=part.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        wake.set()
        thread.join(30)
    assert not thread.is_alive()


def run(app: Application, **inputs: Any) -> str:
    started = app.executions.start("bank", "backup", inputs)
    until(lambda: app.executions.get(started)["ended_at"])
    return started


def test_a_flow_that_fails_and_recovers_is_told(app: Application) -> None:
    app.flows.deploy(parse_flow(FLOW))
    with telling(app):
        failed = run(app)
        until(lambda: app.alerts.list() and app.alerts.list()[0]["deliveries"])
        until(lambda: app.alerts.list()[0]["deliveries"][0]["state"] == "sent")
        run(app, broken=False)
        until(lambda: len(got(app)) == 2)
    first, second = got(app)
    assert (first.title, second.title) == ("bank/backup failed", "bank/backup is well again")
    assert f"look: rota executions show {failed}" in first.text
    assert "error: dump: no room on the disk" in first.text
    (row,) = app.alerts.list()
    assert (row["rule"], row["count"], len(row["deliveries"])) == ("bank/backup:team", 1, 2)
    assert app.alerts.get(row["id"][:20])["id"] == row["id"]
    message = app.alerts.message(first.id)
    assert message is not None
    assert [one["id"] for one in message["incidents"]] == [row["id"]]
    with pytest.raises(NotFound):
        app.alerts.get("nothing")


def test_only_one_server_tells_people(app: Application) -> None:
    with telling(app):
        until(lambda: _holder(app) == app.conductor().id)
    with app.store.write() as conn:
        roles.leave(conn, app.conductor().id)
        assert roles.take(conn, "alerts", app.conductor().id)


def _holder(app: Application) -> str | None:
    with app.store.read() as conn:
        return roles.holder(conn, "alerts")


def test_another_server_goes_on_where_the_first_one_was(app: Application) -> None:
    app.flows.deploy(parse_flow(FLOW))
    with Application(app.settings, app.plugins) as other:
        with telling(other):
            until(lambda: _holder(app) == other.conductor().id)
            with telling(app):
                run(app)
                until(lambda: len(got(app)) == 1)
                assert _holder(app) == other.conductor().id
        other.close(0)
        with telling(app):
            run(app, broken=False)
            until(lambda: len(got(app)) == 2)
            assert _holder(app) == app.conductor().id
    assert [alert.title for alert in got(app)] == ["bank/backup failed", "bank/backup is well again"]


def test_what_the_facade_says_is_wrong_is_told_until_it_is_cleared(app: Application) -> None:
    with telling(app):
        app.alerts.raise_("server", "clock", "the clock of `a` is off\nby 5 minutes")
        until(lambda: [alert.title for alert in got(app)] == ["the clock of `a` is off"])
        assert [row["subject"] for row in app.alerts.conditions()] == ["clock"]
        assert app.alerts.clear("server", "clock")
        until(lambda: len(got(app)) == 2)
    assert got(app)[1].title == "well again: the clock of `a` is off"
    assert app.alerts.conditions() == []


def test_a_server_that_lost_its_lease_is_told_of(app: Application) -> None:
    presence = conductors.register(
        app.store, "dead", host="host-b", pid=1, process_start=0.0, version="0", ttl=0.1, serving=True
    )
    assert presence is not None
    presence.release()
    with telling(app):
        until(lambda: got(app))
    (alert,) = got(app)
    assert alert.title == "a server on `host-b` lost its lease"
    assert "error: dead was silent; " in alert.text


def test_a_process_that_a_person_ran_is_no_server(app: Application) -> None:
    presence = conductors.register(app.store, "run", host="b", pid=1, process_start=0.0, version="0", ttl=0.1)
    assert presence is not None
    presence.release()
    with telling(app):
        until(lambda: not any(row["id"] == "run" for row in _conductors(app)))
    with app.store.read() as conn:
        assert conditions.new(conn) == []


def _conductors(app: Application) -> list[dict[str, Any]]:
    with app.store.read() as conn:
        return conductors.every(conn)


def test_a_flow_that_waits_for_a_secret_is_told_of(
    tmp_path: Path, dists: Dists, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluator, "POLL", 0.2)
    monkeypatch.setattr(evaluator, "WATCH", 0.2)
    dists.install("pager", PLUGIN)
    (tmp_path / "rota.yaml").write_text(
        "home: home\ndurability: process\nsinks: [{id: keep, type: pager.keep}]\n"
        "secrets: [{id: mounted, type: file, folder: mounted}]\n"
        "alerts: [{id: ops, to: [keep], group: 0s}]\n"
    )
    flow = (
        "id: waits\nnamespace: bank\ntasks:\n"
        "  - {id: dump, type: shell, command: 'test -n \"$TOKEN\"', env: {TOKEN: \"{{ secret('a') }}\"},"
        " retry: {attempts: 100, delay: 1s}}\n"
    )
    with Application.open(tmp_path / "rota.yaml") as app:
        app.maintenance.make_key()
        app.flows.deploy(parse_flow(flow))
        with telling(app):
            started = app.executions.start("bank", "waits", {})
            until(lambda: got(app))
            (tmp_path / "mounted").mkdir()
            (tmp_path / "mounted" / "a").write_text("hunter2-hunter2")
            until(lambda: app.executions.get(started)["ended_at"])
            until(lambda: len(got(app)) == 2)
        first, second = got(app)
        assert first.title == "bank/waits waits for a secret"
        assert "is not there" in first.text
        assert second.title == "well again: bank/waits waits for a secret"


@pytest.mark.parametrize(
    ("schedule", "after", "until_", "expected"),
    [
        ('cron: "0 2 * * *"', 0, 86400, 7200),
        ('cron: "0 2 * * *"', 7200, 86400, None),
        ('cron: "* * * * * *"', 0, 86400, 86400),
        ('cron: "0 2 * * *", timezone: Europe/Paris', 0, 86400, 3600),
        ('cron: "0 0 1 1 *"', 10, 86400, None),
        ("every: 1h", 0, 5400, 3600),
        ('dates: ["1970-01-01T05:00:00", "1970-01-01T06:00:00Z"]', 0, 86400, 21600),
        ('cron: "0 2 * * *", disabled: true', 0, 86400, None),
    ],
)
def test_the_last_planned_date_is_found(
    app: Application, schedule: str, after: float, until_: float, expected: float | None
) -> None:
    from rota.store import triggers

    flow = parse_flow(FLOW + f"triggers: [{{id: t, type: schedule, {schedule}}}]\n").flow
    last = planned(app.store, "UTC")
    assert last("bank", flow, after, until_) is None
    with app.store.write() as conn:
        triggers.save(conn, "bank", "backup", "t", updated_at=0.0, anchor_at=0.0)
    assert last("bank", flow, after, until_) == expected
    with app.store.write() as conn:
        triggers.save(conn, "bank", "backup", "t", updated_at=0.0, enabled=False)
    assert last("bank", flow, after, until_) is None
