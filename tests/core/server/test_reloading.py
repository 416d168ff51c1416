"""A server reads its settings anew: services and parts begin anew where theirs have changed, and nowhere else."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rota.server.application import Application
from rota.server.parts import Running
from tests.core.dists import Dists, dists

__all__ = ["dists"]

PLUGIN = """
from rota import Service, hookimpl

served, over = [], []

class Page(Service):
    '''A page.'''

    port: int
    '''Where it listens.'''

    def serve(self, app, stop):
        served.append((self.port, list(over)))
        stop.wait()
        over.append(self.port)

@hookimpl
def register_services():
    return [Page]
"""
PLAIN = "home: home\ndurability: process\n"


@contextmanager
def serving(app: Application) -> Iterator[threading.Event]:
    """Have `app` serve until the block ends; give the event that has it read its settings anew."""
    stop, reload = threading.Event(), threading.Event()
    thread = threading.Thread(target=app.serve, args=(stop,), kwargs={"reload": reload})
    thread.start()
    try:
        yield reload
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()


def until(holds: Callable[[], object]) -> None:
    """Wait until something holds."""
    patience = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < patience, "it never came"
        time.sleep(0.02)


@pytest.fixture
def file(tmp_path: Path, dists: Dists) -> Path:
    dists.install("page", PLUGIN)
    file = tmp_path / "rota.yaml"
    file.write_text(f"{PLAIN}page: {{port: 1}}\n")
    return file


def module_of(app: Application) -> dict[str, Any]:
    """Return what the throw-away plugin has recorded."""
    return vars(sys.modules[app.plugins.service_types()["page.page"].__module__])


def read_anew(app: Application, reload: threading.Event, file: Path, text: str) -> None:
    """Write the settings, and wait until they are in force."""
    before = app.settings
    file.write_text(text)
    reload.set()
    until(lambda: app.settings is not before)


def test_a_service_begins_anew_when_its_section_has_changed_and_only_then(file: Path) -> None:
    with Application.open(file) as app:
        plugin = module_of(app)
        with serving(app) as reload:
            until(lambda: plugin["served"] == [(1, [])])
            read_anew(app, reload, file, f"{PLAIN}page: {{port: 1}}\ntimezone: Europe/Paris\n")
            assert plugin["over"] == []
            read_anew(app, reload, file, f"{PLAIN}page: {{port: 2}}\ntimezone: Europe/Paris\n")
            until(lambda: plugin["served"] == [(1, []), (2, [1])])  # the first had ended when the second began
        assert plugin["over"] == [1, 2]
        assert app.settings.timezone == "Europe/Paris"


def test_a_service_ends_with_its_section_and_begins_with_it(file: Path) -> None:
    with Application.open(file) as app:
        plugin = module_of(app)
        with serving(app) as reload:
            until(lambda: plugin["served"])
            read_anew(app, reload, file, PLAIN)
            until(lambda: plugin["over"] == [1])
            read_anew(app, reload, file, f"{PLAIN}page: {{port: 3}}\n")
            until(lambda: plugin["served"] == [(1, []), (3, [1])])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("page: {port: soon}\n", "port"),
        ("sinks: [{id: a, type: nobody.has}]\n", "nobody.has"),
        ("sinks: [{id: a, type: webhook, urk: x}]\n", "did you mean `url`?"),
        ("secrets: [{id: a, type: nobody.has}]\n", "rota.yaml:3:25: unknown secret backend `nobody.has`"),
        ("artifacts: {type: nobody.has}\n", "rota.yaml:3:19: unknown artifact store `nobody.has`"),
        ("artifacts: {type: folder, pth: x}\n", "did you mean `path`?"),
        ("nonsense: 1\n", "nonsense"),
        ("workers: [\n", "rota.yaml"),
    ],
)
def test_settings_that_are_wrong_change_nothing(
    file: Path, text: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    with Application.open(file) as app:
        plugin, before = module_of(app), app.settings
        with serving(app) as reload:
            until(lambda: plugin["served"])
            file.write_text(PLAIN + text)
            reload.set()
            until(lambda: "those of before stay in force" in caplog.text)
            assert why in caplog.text
        assert app.settings is before
        assert plugin["served"] == [(1, [])]


def test_what_needs_a_restart_stays_as_it_was_and_is_named(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Application.open(file) as app, serving(app) as reload:
        until(lambda: app.running is not None)
        old = app.settings
        read_anew(app, reload, file, "home: elsewhere\nworkers: 2\nlease: 3s\nmax_inline: 2048\npage: {port: 1}\n")
        now = app.settings
        assert (now.home, now.store, now.workers, now.lease) == (old.home, old.store, old.workers, old.lease)
        assert now.max_inline == 2048
    warning = next(record.getMessage() for record in caplog.records if "restart the server" in record.getMessage())
    for name in ("home", "store", "artifacts", "secret_key_file", "workers", "lease", "durability"):
        assert f"`{name}`" in warning
    assert "max_inline" not in warning


class Part:
    """A part that can be told to fail, and that says when it runs."""

    name = "part"

    def __init__(self, log: list[str], number: int, *, fails: bool = False) -> None:
        self._log, self._number, self._fails = log, number, fails

    def run(self, stop: threading.Event) -> None:
        self._log.append(f"{self._number} begins")
        if self._fails:
            raise RuntimeError("on purpose")
        stop.wait()
        self._log.append(f"{self._number} ends")


def test_a_part_that_fails_is_told_of_and_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rota.server.parts.RESTART_AFTER", 0.2)
    log: list[str] = []
    numbers = iter(range(100))

    def build() -> Part:
        number = next(numbers)
        return Part(log, number, fails=number == 0)

    running = Running({"part": build}, lambda: None)
    until(lambda: log == ["0 begins", "1 begins"])
    assert running.failing == {}
    running.end()
    assert log == ["0 begins", "1 begins", "1 ends"]


def test_a_part_that_cannot_be_made_anew_does_not_take_the_server_along(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rota.server.parts.RESTART_AFTER", 0.2)
    log: list[str] = []
    running = Running({"part": lambda: Part(log, 1)}, lambda: None)
    tries: list[int] = []

    def build() -> Part:
        tries.append(1)
        if len(tries) < 3:
            raise RuntimeError("not yet")
        return Part(log, 2)

    running.renew({"part": build}, {"part"})
    until(lambda: log == ["1 begins", "1 ends", "2 begins"])
    running.end()
    assert len(tries) == 3


class Stubborn(Part):
    """A part that does not listen when it is told to end."""

    gate = threading.Event()

    def run(self, stop: threading.Event) -> None:
        self._log.append("stays")
        self.gate.wait()


def test_a_part_that_does_not_end_is_named(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr("rota.server.parts.END", 0.2)
    log: list[str] = []
    running = Running({"part": lambda: Stubborn(log, 1)}, lambda: None)
    try:
        until(lambda: log == ["stays"])
        running.renew({"part": lambda: Part(log, 2)}, {"part"})
        until(lambda: "`part` has not ended 0.2 s after it was asked to" in caplog.text)
        assert running.failing.keys() == {"part"}
        running.end()
        assert "left behind: `part`" in caplog.text
    finally:
        Stubborn.gate.set()


def test_a_part_that_is_taken_away_and_does_not_end_is_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("rota.server.parts.END", 0.2)
    Stubborn.gate.clear()
    log: list[str] = []
    running = Running({"part": lambda: Stubborn(log, 1)}, lambda: None)
    until(lambda: log == ["stays"])
    running.renew({}, set())
    until(lambda: "`part` has not ended 0.2 s after it was asked to" in caplog.text)
    Stubborn.gate.set()
    running.end()


def test_a_part_that_ends_late_begins_anew_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rota.server.parts.END", 0.2)
    Stubborn.gate.clear()
    log: list[str] = []
    running = Running({"part": lambda: Stubborn(log, 1)}, lambda: None)
    until(lambda: log == ["stays"])
    running.renew({"part": lambda: Part(log, 2)}, {"part"})
    until(lambda: running.failing)
    Stubborn.gate.set()
    until(lambda: log == ["stays", "2 begins"])
    assert running.failing == {}
    running.end()
