"""The folders of the setting `flows`: what changes there is deployed, what is wrong is refused and told of."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rota.flows.loader import parse_flow
from rota.server.application import Application
from rota.server.flow_folders import FlowFolders

FLOW = "id: greet\nnamespace: demo\ntasks: [{{id: hello, type: log, message: {word}}}]\n"
WRONG = "id: greet\nnamespace: demo\ntasks: [{id: hello, type: lag, message: hello}]\n"


def opened(folder: Path) -> Application:
    """Return a server's application whose settings watch `flows` in a folder."""
    file = folder / "rota.yaml"
    file.write_text("home: home\ndurability: process\nflows: [flows]\n")
    (folder / "flows").mkdir(exist_ok=True)
    return Application.open(file)


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Application]:
    with opened(tmp_path) as app:
        yield app


@pytest.fixture
def file(app: Application, tmp_path: Path) -> Path:
    """The file of a flow in the folder."""
    return tmp_path / "flows" / "greet.yaml"


def revisions(app: Application) -> list[int]:
    """Return the numbers of the flow's revisions, newest first."""
    return [row["number"] for row in app.flows.revisions("demo", "greet")]


def problems(app: Application) -> list[dict[str, Any]]:
    """Return what is wrong with this server now."""
    return [row for row in app.alerts.conditions() if row["kind"] == "server"]


def test_what_is_there_and_what_changes_is_deployed_once(app: Application, file: Path) -> None:
    file.write_text(FLOW.format(word="hello"))
    folders = FlowFolders(app)
    folders.look()
    folders.look()
    assert revisions(app) == [1]
    file.write_text(FLOW.format(word="good morning"))
    folders.look()
    assert revisions(app) == [2, 1]
    FlowFolders(app).look()
    assert revisions(app) == [2, 1], "nothing changed since"


def test_a_flow_that_is_wrong_is_refused_and_what_was_good_stays(
    app: Application, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.write_text(FLOW.format(word="hello"))
    folders = FlowFolders(app)
    folders.look()
    file.write_text(WRONG)
    folders.look()
    assert revisions(app) == [1]
    assert "lag" in caplog.text
    assert "what was deployed before stays in force" in caplog.text
    [problem] = problems(app)
    assert str(file) in problem["subject"]
    assert "is not deployed" in problem["message"]


def test_the_alert_ends_when_the_file_is_well_again(app: Application, file: Path) -> None:
    file.write_text(WRONG)
    folders = FlowFolders(app)
    folders.look()
    assert len(problems(app)) == 1
    file.write_text(FLOW.format(word="hello"))
    folders.look()
    assert problems(app) == []
    assert revisions(app) == [1]


def test_a_file_that_was_refused_is_looked_at_again_and_told_of_once(
    app: Application, file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file.write_text("id: greet\nnamespace: demo\ntasks: [{id: call, type: subflow, flow: other}]\n")
    folders = FlowFolders(app)
    folders.look()
    assert len(problems(app)) == 1
    monkeypatch.setattr(folders, "_again_at", 0.0)
    folders.look()
    assert caplog.text.count("is not deployed") == 1
    app.flows.deploy(parse_flow(FLOW.format(word="hello").replace("greet", "other")))
    folders.look()
    assert revisions(app) == [], "not before its time has come"
    monkeypatch.setattr(folders, "_again_at", 0.0)
    folders.look()
    assert (revisions(app), problems(app)) == ([1], [])


def test_the_alert_ends_when_the_file_is_gone(app: Application, file: Path) -> None:
    file.write_text(WRONG)
    folders = FlowFolders(app)
    folders.look()
    assert len(problems(app)) == 1
    file.unlink()
    folders.look()
    assert problems(app) == []


def test_an_alert_of_a_server_before_ends_when_the_file_is_well_again(app: Application, file: Path) -> None:
    file.write_text(WRONG)
    FlowFolders(app).look()
    assert len(problems(app)) == 1
    file.write_text(FLOW.format(word="hello"))
    FlowFolders(app).look()
    assert problems(app) == []


def test_one_wrong_file_does_not_keep_the_others_back(app: Application, file: Path) -> None:
    file.write_text(FLOW.format(word="hello"))
    file.with_name("broken.yaml").write_text("id: broken\ntasks: [\n")
    file.with_name("another.yaml").write_text(WRONG.replace("greet", "other"))
    FlowFolders(app).look()
    assert revisions(app) == [1]
    assert len(problems(app)) == 2


def test_a_flow_that_uses_a_file_beside_it_is_deployed_anew_when_that_changes(app: Application, file: Path) -> None:
    file.write_text("id: greet\nnamespace: demo\nfiles: [words.txt]\ntasks: [{id: hello, type: log, message: hello}]\n")
    file.with_name("words.txt").write_text("one")
    folders = FlowFolders(app)
    folders.look()
    assert revisions(app) == [1], problems(app)
    file.with_name("words.txt").write_text("one and two")
    folders.look()
    assert revisions(app) == [2, 1]


def test_an_empty_folder_and_one_that_is_missing_do_not_keep_the_others_back(tmp_path: Path) -> None:
    settings = tmp_path / ".hidden" / "rota.yaml"
    (tmp_path / ".hidden" / "flows").mkdir(parents=True)
    (tmp_path / ".hidden" / "empty").mkdir()
    settings.write_text("home: home\ndurability: process\nflows: [empty, missing, flows]\n")
    (tmp_path / ".hidden" / "flows" / "greet.yaml").write_text(FLOW.format(word="hello"))
    with Application.open(settings) as app:
        FlowFolders(app).look()
        assert revisions(app) == [1]


def test_a_folder_that_is_not_there_yet_is_waited_for(app: Application, file: Path) -> None:
    file.parent.rmdir()
    folders = FlowFolders(app)
    folders.look()
    file.parent.mkdir()
    file.write_text(FLOW.format(word="hello"))
    folders.look()
    assert revisions(app) == [1]


def test_of_two_servers_one_deploys_and_the_other_goes_on_when_that_has_gone(tmp_path: Path) -> None:
    with opened(tmp_path) as one, opened(tmp_path) as other:
        first, second = FlowFolders(one), FlowFolders(other)
        first.look()
        file = tmp_path / "flows" / "greet.yaml"
        file.write_text(FLOW.format(word="hello"))
        second.look()
        assert one.flows.list() == [], "the first has the role, and has not looked"
        first.look()
        assert revisions(one) == [1]
        file.write_text(FLOW.format(word="good morning"))
        one.close()
        second.look()
        assert revisions(other) == [2, 1]


def test_it_looks_again_and_again_until_it_is_told_to_stop(
    app: Application, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rota.server.flow_folders.EVERY", 0.05)
    stop = threading.Event()
    watcher = threading.Thread(target=FlowFolders(app).run, args=(stop,))
    watcher.start()
    try:
        file.write_text(FLOW.format(word="hello"))
        patience = threading.Event()
        for _ in range(600):
            if app.flows.list():
                break
            patience.wait(0.1)
        assert revisions(app) == [1]
    finally:
        stop.set()
        watcher.join(30)
    assert not watcher.is_alive()
