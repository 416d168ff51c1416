"""`rota doctor` finds what is wrong with what Rota needs, and says what to do."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from rota.server import looking
from rota.server.application import Application
from tests.core.cli.calls import Rota
from tests.core.cli.test_serve import serving
from tests.core.dists import Dists, dists

__all__ = ["dists"]


def checks(rota: Rota, name: str, *, code: int = 0) -> list[dict[str, Any]]:
    """Run it, and return what it says of one thing."""
    result = rota("doctor", "--json")
    assert result.code == code, result
    assert result.json["ok"] is (code == 0)
    return [check for check in result.json["checks"] if check["name"] == name]


def one(rota: Rota, name: str, *, code: int = 0) -> dict[str, Any]:
    """Run it, and return the one thing that it says."""
    [found] = checks(rota, name, code=code)
    return found


@pytest.fixture
def well(rota: Rota) -> Rota:
    """A home with everything that there must be."""
    rota.ok("flows", "deploy", "hello.yaml")
    with Application.open() as app:
        app.maintenance.make_key()
    return rota


def test_a_home_that_is_well_has_no_error(well: Rota) -> None:
    result = well.ok("doctor")
    assert "error  " not in result.out
    assert result.out.splitlines()[-1].endswith(" 1 warning, 0 errors"), result.out
    states = {check["name"]: check["state"] for check in well.ok("doctor", "--json").json["checks"]}
    assert states.pop("servers") == "warning"
    assert states.keys() == {
        "database", "clock", "disk", "key", "artifacts", "plugins", "secrets", "conditions"
    }  # fmt: skip
    assert set(states.values()) == {"ok"}


def test_nothing_is_made_where_there_is_no_database(rota: Rota) -> None:
    found = one(rota, "database")
    assert (found["state"], found["hint"]) == ("warning", "it is made when it is first needed")
    assert not Path(".rota").exists()


def test_a_database_of_a_newer_version_is_an_error(well: Rota) -> None:
    with sqlite3.connect(".rota/rota.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
        database.execute("UPDATE meta SET value = '9999' WHERE key = 'usable_from'")
    found = one(well, "database", code=1)
    assert "newer than this program knows" in found["message"]
    assert "upgrade Rota" in found["hint"]


def test_an_older_database_is_left_as_it_is(well: Rota) -> None:
    with sqlite3.connect(".rota/rota.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '0000'")
    found = one(well, "database")
    assert (found["state"], found["hint"]) == ("warning", "`rota migrate` copies it and brings it up to date")
    with sqlite3.connect(".rota/rota.db") as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchone() == ("0000",)


def test_a_database_that_is_no_database_is_an_error(well: Rota) -> None:
    Path(".rota/rota.db").write_text("this is a text, and long enough to be looked at as if it were a database" * 99)
    assert one(well, "database", code=1)["state"] == "error"


def test_a_database_server_that_is_away_is_an_error(rota: Rota) -> None:
    rota.write("rota.yaml", "home: .rota\nstore: postgresql://rota@127.0.0.1:1/rota?connect_timeout=2\n")
    assert "127.0.0.1" in one(rota, "database", code=1)["message"]


@pytest.mark.parametrize(("apart", "state"), [(-2, "warning"), (2, "warning"), (90, "error")])
def test_clocks_that_differ_are_told_of(well: Rota, monkeypatch: pytest.MonkeyPatch, apart: float, state: str) -> None:
    import time

    monkeypatch.setattr("rota.store.engine.now", lambda _conn: time.time() + apart)
    found = one(well, "clock", code=int(state == "error"))
    assert found["state"] == state
    assert "NTP" in found["hint"]


@pytest.mark.parametrize(("free", "state"), [(1 << 20, "error"), (1 << 30, "warning"), (50 << 30, "ok")])
def test_disks_that_fill_are_told_of(well: Rota, monkeypatch: pytest.MonkeyPatch, free: int, state: str) -> None:
    monkeypatch.setattr("rota.alerts.disks.usage_of", lambda _path: (100 << 30, free))
    found = checks(well, "disk", code=int(state == "error"))
    assert {check["state"] for check in found} == {state}


def test_a_key_that_others_may_read_is_an_error(well: Rota) -> None:
    Path(".rota/secret.key").chmod(0o640)
    found = one(well, "key", code=1)
    assert "0640" in found["message"]
    assert found["hint"].startswith("chmod 600 ")


def test_a_file_that_is_no_key_is_an_error(well: Rota) -> None:
    Path(".rota/secret.key").write_text("abc\n")
    assert "holds no usable key" in one(well, "key", code=1)["message"]


def test_a_key_that_is_missing_is_a_warning(well: Rota) -> None:
    Path(".rota/secret.key").unlink()
    assert one(well, "key")["state"] == "warning"


def test_artifacts_of_another_database_are_an_error(well: Rota) -> None:
    folder = Path(".rota/artifacts")
    folder.mkdir(exist_ok=True)
    (folder / "rota-database-id").write_text("another\n")
    assert "belongs to another database" in one(well, "artifacts", code=1)["message"]


def test_a_plugin_that_cannot_be_imported_is_an_error(well: Rota, dists: Dists) -> None:
    dists.install("sad", "raise RuntimeError('no such library')\n")
    found = checks(well, "plugins", code=1)
    assert [check["state"] for check in found] == ["error", "ok"]
    assert "no such library" in found[0]["message"]


BACKENDS = """
import threading
from rota import Secret, SecretBackend, SecretError, hookimpl

class Down(SecretBackend):
    '''Down.'''

    retryable: bool
    '''Whether it may be up again.'''
    seconds: float = 0
    '''How long it says nothing.'''

    def get(self, path, ctx):
        threading.Event().wait(self.seconds)
        raise SecretError("nobody answers", retryable=self.retryable)

@hookimpl
def register_secret_backends():
    return [Down]
"""


@pytest.mark.parametrize("down", [True, False])
def test_a_secret_backend_that_does_not_answer_is_an_error(well: Rota, dists: Dists, down: bool) -> None:
    dists.install("far", BACKENDS)
    secrets = f"secrets: [{{id: env, type: env}}, {{id: far, type: far.down, retryable: {down}}}]\n"
    well.write("rota.yaml", f"home: .rota\n{secrets}")
    first, second = checks(well, "secrets", code=int(down))
    assert first["state"] == "ok"
    assert second["state"] == ("error" if down else "warning")
    assert "far: nobody answers" in second["message"]


def test_a_secret_backend_that_hangs_is_an_error_and_holds_up_no_other(
    well: Rota, dists: Dists, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "PATIENCE", 3.0)
    dists.install("far", BACKENDS)
    hangs = "{id: far, type: far.down, retryable: true, seconds: 60}"
    well.write("rota.yaml", f"home: .rota\nsecrets: [{hangs}, {{id: env, type: env}}]\n")
    first, second = checks(well, "secrets", code=1)
    assert (first["state"], first["message"]) == ("error", "far: there is no answer within 3 s")
    assert second["state"] == "ok"


def test_a_sink_that_cannot_be_made_is_an_error(well: Rota) -> None:
    well.write("rota.yaml", "home: .rota\nsinks: [{id: ops, type: nothing.such}]\n")
    found = one(well, "sinks", code=1)
    assert found["message"].startswith("ops: ")
    assert "nothing.such" in found["message"]


def test_sinks_are_looked_at_each_by_itself(well: Rota, dists: Dists, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "PATIENCE", 3.0)
    dists.install("far", BACKENDS)
    backend = "{id: far, type: far.down, retryable: true, seconds: 60}"
    hangs = "{id: hangs, type: webhook, url: \"{{ secret('far:x') }}\"}"
    settings = f"home: .rota\nsecrets: [{backend}]\nsinks: [{hangs}, {{id: ops, type: log}}]\n"
    well.write("rota.yaml", settings)
    first, second = checks(well, "sinks", code=1)
    assert (first["state"], first["message"]) == ("error", "hangs: there is no answer within 3 s")
    assert (second["state"], second["message"]) == (
        "ok",
        "ops is ready to be used (`rota alerts test ops` sends something)",
    )


STORES = """
import threading
from contextlib import contextmanager
from rota import ArtifactStore, hookimpl

class Deep(ArtifactStore):
    '''A store that takes what it is given, and says nothing of it.'''

    def writer(self, key):
        threading.Event().wait(60)

    def open(self, key):
        raise NotImplementedError

    def delete(self, key):
        raise NotImplementedError

@hookimpl
def register_artifact_stores():
    return [Deep]
"""


def test_everything_that_hangs_is_waited_for_at_once(well: Rota, dists: Dists, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "PATIENCE", 2.0)
    dists.install("far", BACKENDS)
    dists.install("deep", STORES)
    backends = [f"{{id: far-{n}, type: far.down, retryable: true, seconds: 60}}" for n in range(9)]
    well.write("rota.yaml", f"home: .rota\nartifacts: {{type: deep.deep}}\nsecrets: [{', '.join(backends)}]\n")
    began = time.monotonic()
    result = well("doctor", "--json")
    assert time.monotonic() - began < 18, "one after the other they take twenty seconds"
    wrong = [check for check in result.json["checks"] if check["state"] == "error"]
    assert [check["name"] for check in wrong] == ["artifacts"] + ["secrets"] * 9
    assert {check["message"].removeprefix("far-")[1:] for check in wrong[1:]} == {": there is no answer within 2 s"}


def test_what_is_known_to_be_wrong_is_shown(well: Rota) -> None:
    with Application.open() as app:
        app.alerts.raise_("server", "flow file a.yaml", "a.yaml is not deployed\nit has no tasks")
    found = one(well, "conditions")
    assert (found["state"], found["message"]) == ("warning", "server: a.yaml is not deployed")
    assert found["hint"] == "it has no tasks"


def test_a_server_that_is_alive_is_shown(well: Rota) -> None:
    with serving(well) as server:
        found = one(well, "servers")
        assert found["state"] == "ok"
        assert f"pid {server.pid}" in found["message"]
        server.terminate()
        server.communicate(timeout=60)
    assert one(well, "servers")["state"] == "warning"
