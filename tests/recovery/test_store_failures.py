"""A store that refuses for a while: nothing starts that is not on record, and everything goes on when it can."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from tests.recovery import bank, promises
from tests.recovery.site import Server, Site

KEYS = """
id: keys
tasks:
  - id: each
    type: foreach
    items: ["a\\0b"]
    key: "{{ item }}"
    tasks:
      - {id: say, type: ledger.odd, where: log}
"""
FLOWS = ["chain", "dag", "fleet", "each", "retry", "waits", "subflows", "limited", "locked"]


def _begin(site: Site) -> tuple[Server, dict[str, str]]:
    site.deploy(*bank.FLOWS)
    server = site.serve()
    started = {site.start(flow): flow for flow in FLOWS}
    site.until(lambda: len(site.ledger()) > 20, "work to begin")
    return server, started


def _end(site: Site, server: Server, started: dict[str, str]) -> None:
    for execution in started:
        site.ended(execution)
    assert server.process.poll() is None
    promises.check(site, started)


def _on_record(site: Site) -> None:
    """Everything that has been started must be in the rows by now."""
    lines = [line for line in site.ledger() if line["event"] == "start"]
    known = {execution: site.runs(execution) for execution in {line["execution"] for line in lines}}
    for line in lines:
        assert known[line["execution"]][line["task"]]["attempt"] >= line["attempt"]


def test_a_database_locked_by_somebody_else_is_waited_for(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        server, started = _begin(site)
        with site.app.store.write():
            server.wait_for("is locked by another process")
            _on_record(site)
        _end(site, server, started)


def test_a_disk_that_is_full_is_waited_for(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        server, started = _begin(site)
        files = [path for path in site.home.iterdir() if path.name.startswith("rota.db") and path.is_file()]
        largest = max(path.stat().st_size for path in files)
        with _limited(server.process.pid, largest + 4096):
            server.wait_for("cannot grow")
            _on_record(site)
        _end(site, server, started)


@contextmanager
def _limited(pid: int, size: int) -> Iterator[None]:
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def test_a_database_that_cannot_be_written_to_is_waited_for(tmp_path: Path, postgres_url: str) -> None:
    with Site(tmp_path, postgres_url) as site:
        server, started = _begin(site)
        administer = _administrator(postgres_url)
        administer("ALTER DATABASE {} SET default_transaction_read_only = on")
        administer("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'")
        server.wait_for("read-only transaction")
        site.until(lambda: [site.row(execution) for execution in started], "an answer")
        _on_record(site)
        administer("ALTER DATABASE {} RESET default_transaction_read_only")
        _end(site, server, started)


def _administrator(url: str) -> Callable[[str], None]:
    parsed = sa.make_url(url)
    name = str(parsed.database)
    where = parsed.set(drivername="postgresql", database="postgres").render_as_string(hide_password=False)

    def administer(statement: str) -> None:
        with psycopg.connect(where, autocommit=True) as connection:
            connection.execute(statement.format(name).encode())

    return administer


def test_a_file_opened_to_be_read_is_refused_at_once(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        database = site.home / "rota.db"
        settings = {"home": str(site.home), "store": f"sqlite:///{database}?mode=ro"}
        site.settings_file.write_text(json.dumps(settings))
        server = site.launch("serve")
        assert server.wait() == 1
        assert "cannot be written to" in server.output()
        assert "Traceback" not in server.output()


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_texts_that_no_database_can_hold_fail_nothing_else(
    tmp_path: Path, request: pytest.FixtureRequest, database: str
) -> None:
    flows = [
        "id: lines\ntasks:\n  - {id: say, type: ledger.odd, where: log}\n",
        "id: outputs\ntasks:\n  - {id: say, type: ledger.odd, where: output}\n",
        "id: errors\ntasks:\n  - {id: say, type: ledger.odd, where: error}\n",
        KEYS,
        "id: values\ntasks:\n  - {id: say, type: ledger.odd, where: kv}\n",
        "id: numbers\ntasks:\n  - {id: say, type: ledger.odd, where: metric}\n",
        "id: states\ntasks:\n  - {id: say, type: ledger.odd, where: state}\n",
        "id: fine\ntasks:\n  - {id: work, type: ledger.once, seconds: 0.3}\n",
    ]
    store = request.getfixturevalue("postgres_url") if database == "postgresql" else None
    with Site(tmp_path, store) as site:
        site.deploy(*flows)
        server = site.serve()
        names = ["lines", "outputs", "errors", "keys", "values", "numbers", "states", "fine"]
        ends = {name: site.ended(one) for name, one in [(name, site.start(name)) for name in names]}
        assert server.process.poll() is None
        assert ends["fine"]["state"] == "success"
        assert ends["lines"]["state"] == "success", ends["lines"]["problem"]
        assert ends["errors"]["state"] == "failed"
        internal = {name for name, row in ends.items() if (row["problem"] or {}).get("type") == "internal"}
        assert internal == set(), server.output()
