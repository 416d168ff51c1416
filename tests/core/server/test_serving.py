"""`serve` runs deployed flows and the services of plugins, and tells plugins what changed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rota.flows.loader import parse_flow
from rota.plugins import Plugins
from rota.server.announcing import Announcer
from rota.server.application import Application
from tests.core.dists import Dists, dists

__all__ = ["dists"]

FLOW = "id: greet\nnamespace: demo\ntasks: [{id: hello, type: log, message: hello}]\n"
PLUGIN = """
import threading
from rota import Service, hookimpl

heard = []
served = threading.Event()
stopped = threading.Event()
failures = []

class Page(Service):
    '''A page.'''

    port: int
    '''Where it listens.'''

    def serve(self, app, stop):
        failures.append(self.port)
        served.set()
        stop.wait()
        stopped.set()

@hookimpl
def register_services():
    return [Page]

@hookimpl
def execution_changed(execution):
    heard.append((execution["flow"], execution["state"], execution["run"]))
    if execution["state"] == "running":
        raise RuntimeError("a listener that fails")
"""


SLOW = """
import threading
from rota import Service, hookimpl

asked = threading.Event()
over = threading.Event()

class Tail(Service):
    '''A service that takes its time to end.'''

    def serve(self, app, stop):
        stop.wait()
        asked.set()
        over.wait(20)

@hookimpl
def register_services():
    return [Tail]
"""


@contextmanager
def serving(app: Application) -> Iterator[None]:
    """Have `app` serve on a thread, until the block ends."""
    stop = threading.Event()
    failures: list[BaseException] = []

    def serve() -> None:
        try:
            app.serve(stop)
        except BaseException as error:  # noqa: BLE001 - told after the block
            failures.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
    assert failures == []


@pytest.fixture
def app(tmp_path: Path, dists: Dists) -> Iterator[Application]:
    dists.install("page", PLUGIN)
    file = tmp_path / "rota.yaml"
    file.write_text("home: home\ndrain_timeout: 5s\npage: {port: 8080}\n")
    with Application.open(file) as application:
        application.maintenance.make_key()
        application.flows.deploy(parse_flow(FLOW))
        yield application


def module_of(app: Application, service: str = "page.page") -> dict[str, Any]:
    """Return what the throw-away plugin has recorded."""
    import sys

    cls = app.plugins.service_types()[service]
    return vars(sys.modules[cls.__module__])


def test_a_server_runs_what_another_process_starts_and_the_services_of_plugins(app: Application) -> None:
    plugin = module_of(app)
    with Application(app.settings, Plugins()) as client:
        with serving(app):
            assert plugin["served"].wait(10)
            execution = client.executions.start("demo", "greet", {})
            row = client.executions.wait(execution, timeout=20)
        assert row is not None
        assert row["state"] == "success"
    assert plugin["stopped"].is_set()
    assert plugin["failures"] == [8080]


def test_nothing_new_starts_while_a_service_takes_its_time_to_end(tmp_path: Path, dists: Dists) -> None:
    dists.install("slow", SLOW)
    file = tmp_path / "rota.yaml"
    file.write_text("home: home\nslow: {}\n")
    with Application.open(file) as app, Application(app.settings, Plugins()) as client:
        app.maintenance.make_key()
        app.flows.deploy(parse_flow(FLOW))
        plugin, stop = module_of(app, "slow.tail"), threading.Event()
        server = threading.Thread(target=app.serve, args=[stop])
        server.start()
        try:
            early = client.executions.start("demo", "greet", {})
            assert client.executions.wait(early, timeout=20) is not None
            stop.set()
            assert plugin["asked"].wait(10)
            late = client.executions.start("demo", "greet", {})
            assert client.executions.wait(late, timeout=1.5) is None
        finally:
            stop.set()
            plugin["over"].set()
            server.join(30)
        assert client.executions.get(late)["state"] == "created"


def test_plugins_hear_each_state_once_even_from_a_listener_that_fails(app: Application) -> None:
    plugin = module_of(app)
    execution = app.executions.start("demo", "greet", {}, here=True)
    app.executions.wait(execution, timeout=20)
    announcer = Announcer(app, threading.Event())
    assert announcer.announce() > 0
    assert announcer.announce() == 0
    assert plugin["heard"] == [("greet", "running", 1), ("greet", "success", 1)]


def test_a_section_that_its_service_does_not_take_keeps_the_server_from_starting(tmp_path: Path, dists: Dists) -> None:
    from rota.errors import SettingsError

    dists.install("page", PLUGIN)
    file = tmp_path / "rota.yaml"
    file.write_text("home: home\npage: {port: soon}\n")
    with Application.open(file) as application, pytest.raises(SettingsError, match="port"):
        application.serve(threading.Event())
