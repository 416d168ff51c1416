"""What the page on running a server says of backups: copies that are made so can be gone on with."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.core.cli.calls import Rota
from tests.core.cli.test_serve import serving
from tests.lab.postgres import Postgres, programs

SECRET = """\
id: told
namespace: team
inputs:
  - {id: word, type: secret}
tasks:
  - {id: ask, type: pause}
  - {id: say, type: shell, env: {WORD: "{{ inputs.word }}"}, command: "echo ${#WORD} letters"}
"""


def a_home_that_waits(rota: Rota) -> str:
    """Make a key and an execution that is paused and holds a secret; return its id."""
    from rota.server.application import Application

    with Application.open() as app:
        app.maintenance.make_key()
    rota.ok("flows", "deploy", rota.write("told.yaml", SECRET))
    with serving(rota) as server:
        execution = rota.ok("run", "team/told", "-i", "word=abracadabra", "--detach").out.strip()
        assert server.stderr is not None
        while rota.ok("executions", "show", execution, "--json").json["state"] != "paused":
            pass
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)
    return execution


def goes_on(rota: Rota, execution: str) -> None:
    """See that a server goes on with the execution, and can read its secret."""
    assert rota.ok("executions", "show", execution, "--json").json["state"] == "paused"
    with serving(rota) as server:
        rota.ok("executions", "resume", execution)
        assert "11 letters" in rota.ok("executions", "logs", "-f", execution).out
        assert rota.ok("executions", "show", execution, "--json").json["state"] == "success"
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)
    rota.ok("doctor")


def test_the_home_of_a_server_that_is_stopped_can_be_copied(rota: Rota) -> None:
    execution = a_home_that_waits(rota)
    shutil.copytree(".rota", "copy")
    shutil.rmtree(".rota")
    shutil.copytree("copy", ".rota")
    goes_on(rota, execution)


def test_a_database_can_be_copied_while_a_server_runs(rota: Rota) -> None:
    execution = a_home_that_waits(rota)
    with serving(rota) as server:
        rota.ok("run", "hello.yaml")
        if program := shutil.which("sqlite3"):
            subprocess.run([program, ".rota/rota.db", ".backup copy.db"], check=True, timeout=60)
        else:
            with closing(sqlite3.connect(".rota/rota.db")) as source, closing(sqlite3.connect("copy.db")) as copy:
                source.backup(copy)
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)
    for path in Path(".rota").glob("rota.db*"):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copy("copy.db", ".rota/rota.db")
    goes_on(rota, execution)


def test_a_database_of_postgresql_is_dumped_and_restored(
    rota: Rota, postgres: Postgres, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROTA_STORE", postgres_url)
    rota.ok("migrate")
    execution = a_home_that_waits(rota)
    with serving(rota) as server:
        subprocess.run(
            [programs() / "pg_dump", "--format=custom", "--file=rota.dump", _libpq(postgres_url)],
            check=True,
            timeout=60,
        )
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)
    with postgres.database() as other:
        restore = [
            str(programs() / "pg_restore"),
            "--exit-on-error",
            "--no-owner",
            f"--dbname={_libpq(other)}",
            "rota.dump",
        ]
        subprocess.run(restore, check=True, timeout=60)
        monkeypatch.setenv("ROTA_STORE", other)
        monkeypatch.setitem(os.environ, "ROTA_LEASE", "2s")
        goes_on(rota, execution)


def _libpq(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
