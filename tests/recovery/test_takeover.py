"""Two servers on one database: one dies or falls silent, the other takes over, and nothing is done by both."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from rota.executions.process_table import process_alive, start_time
from tests.lab.postgres import Postgres
from tests.recovery import bank, promises
from tests.recovery.site import Site

LONG = """
id: long
tasks:
  - id: items
    type: foreach
    items: range(40) | list
    concurrency: 6
    max_failures: 40
    tasks:
      - {id: work, type: ledger.again, seconds: 0.1}
      - {id: more, type: ledger.once, seconds: 0.05}
"""
PROGRAM = """
id: program
tasks:
  - {id: long, type: ledger.child, seconds: "{{ 60 if task.attempt == 1 else 0 }}"}
"""
ONE = """
id: one
tasks:
  - {id: work, type: set, values: {}}
"""
NAP = """
id: nap
tasks:
  - {id: work, type: ledger.once, seconds: 0.2}
"""


def test_a_server_silent_for_longer_than_its_lease_starts_nothing_more(tmp_path: Path, postgres_url: str) -> None:
    with Site(tmp_path, postgres_url) as site:
        site.deploy(LONG)
        silent = site.serve()
        started = [site.start("long") for _ in range(2)]
        site.until(lambda: len(site.ledger()) > 20, "work to begin")
        silent.freeze()
        site.serve()
        for execution in started:
            site.ended(execution)
        before = [line for line in site.ledger() if line["pid"] == silent.process.pid and line["event"] == "start"]
        silent.signal(signal.SIGCONT)
        assert silent.wait() == 1
        assert "another server has taken over what ran here" in silent.output()
        after = [line for line in site.ledger() if line["pid"] == silent.process.pid and line["event"] == "start"]
        assert after == before
        promises.check(site, dict.fromkeys(started, "long"))
        # What it had done when it fell silent counts, what it brought afterwards does not.
        assert any(run["state"] == "lost" for execution in started for run in site.runs(execution).values())


def test_what_a_silent_server_has_left_running_is_ended_before_it_is_run_again(
    tmp_path: Path, postgres_url: str
) -> None:
    with Site(tmp_path, postgres_url) as site:
        site.deploy(PROGRAM)
        silent = site.serve()
        execution = site.start("program")
        site.until(lambda: site.runs(execution).get("long", {}).get("pid"), "the program to be on record")
        pid, born = site.runs(execution)["long"]["pid"][0]
        assert process_alive(pid, born), (site.runs(execution), site.ledger(), site.story())
        silent.freeze()
        site.serve()
        assert site.ended(execution)["state"] == "success"
        assert not process_alive(pid, born)
        assert site.starts(execution, "long") == 2
        silent.signal(signal.SIGCONT)
        assert silent.wait() == 1


def test_programs_die_with_the_server_that_started_them(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        site.deploy(PROGRAM)
        server = site.serve()
        execution = site.start("program")
        site.until(lambda: site.ledger(execution), "the program to begin")
        pid = int(site.ledger(execution)[0]["pid"])
        server.kill()
        site.until(lambda: start_time(pid) is None, "the end of the program")
        site.serve()
        assert site.ended(execution)["state"] == "success"


def test_on_sqlite_a_silent_server_is_not_taken_for_dead(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        site.deploy(LONG, NAP)
        silent = site.serve()
        execution = site.start("long")
        site.until(lambda: len(site.ledger()) > 10, "work to begin")
        # Not while it is in the middle of a transaction: that would keep everybody out of the file.
        with site.app.store.write():
            silent.freeze()
        site.serve()
        assert site.ended(site.start("nap"))["state"] == "success"
        assert site.row(execution)["owner"] != site.row(site.start("nap"))["owner"]
        assert site.row(execution)["adoptions"] == 0
        silent.signal(signal.SIGCONT)
        assert site.ended(execution)["state"] == "success"


def test_a_database_that_dies_and_comes_back_costs_no_promise(tmp_path: Path) -> None:
    with Postgres.start() as database, Site(tmp_path, database.create_database(), durability="power") as site:
        site.deploy(*bank.FLOWS)
        server = site.serve()
        flows = ["chain", "fleet", "each", "waits", "subflows", "limited", "locked", "retry", "dag"]
        started = {site.start(flow): flow for flow in flows}
        for _ in range(2):
            count = len(site.ledger()) + 15
            site.until(lambda count=count: len(site.ledger()) > count, "work to go on")  # type: ignore[misc]
            database.kill()
            site.until(lambda: "the store refused" in server.output(), "the server to notice")
            database.restart()
        for execution in started:
            site.ended(execution)
        promises.check(site, started)
        assert server.process.poll() is None


def test_a_server_whose_database_lost_commits_stops_and_the_next_goes_on_from_what_is_there(tmp_path: Path) -> None:
    with Postgres.start() as database, Site(tmp_path, database.create_database(), durability="process") as site:
        site.deploy(LONG)
        server = site.serve()
        execution = site.start("long")
        site.until(lambda: len(site.ledger()) > 10, "work to begin")
        # What is committed from here on is not on disk when the database dies.
        database.administer("ALTER SYSTEM SET wal_writer_delay = '10s'", "SELECT pg_reload_conf()", "CHECKPOINT")
        count = len(site.ledger()) + 10
        site.until(lambda: len(site.ledger()) > count, "work to go on")
        database.kill()
        site.until(lambda: "the store refused" in server.output(), "the server to notice")
        database.restart()
        assert server.wait() == 1
        assert "the database has lost what it had taken" in server.output()
        site.serve()
        assert site.ended(execution)["state"] in {"success", "warning", "failed"}


def test_what_waits_for_a_server_is_taken_by_the_first_however_much_it_is(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        site.deploy(ONE)
        waiting = [site.start("one") for _ in range(250)]
        site.serve()
        assert {site.ended(execution)["state"] for execution in waiting} == {"success"}


def test_when_the_server_that_watches_the_flows_is_killed_the_other_does(tmp_path: Path, postgres_url: str) -> None:
    folder = tmp_path / "watched"
    folder.mkdir()
    (folder / "one.yaml").write_text(ONE)
    with Site(tmp_path, postgres_url, flows=[str(folder)]) as site:
        servers = [site.serve(), site.serve()]
        site.until(lambda: any("deployed default/one" in server.output() for server in servers), "the first flow")
        watcher, other = sorted(servers, key=lambda server: "deployed" not in server.output())
        watcher.kill()
        (folder / "two.yaml").write_text(ONE.replace("id: one", "id: two"))
        site.until(lambda: "deployed default/two" in other.output(), "the second flow")
        assert [row["number"] for row in site.app.flows.revisions("default", "one")] == [1]


def test_what_a_server_cannot_run_is_left_to_one_that_can(tmp_path: Path) -> None:
    with Site(tmp_path) as site:
        site.deploy(NAP)
        poor = site.launch("serve", PYTHONPATH=os.pathsep.join(site.environment["PYTHONPATH"].split(os.pathsep)[1:]))
        poor.wait_for("serving as")
        execution = site.start("nap")
        poor.wait_for("is left to other servers")
        assert site.row(execution)["state"] == "created"
        site.serve()
        assert site.ended(execution)["state"] == "success"
