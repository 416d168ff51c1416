"""A server is killed at each of the named points; what was promised holds."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from rota.store.failpoints import NAMES
from tests.recovery import bank, promises
from tests.recovery.site import Site

ONE_EACH = ["chain", "dag", "fleet", "retry", "waits", "subflows", "again"]
STARTED = dict.fromkeys(ONE_EACH, 1) | {
    "limited": 3,
    "locked": 2,
}


def _killed_at(folder: Path, name: str, number: int, store: str | None = None) -> None:
    with Site(folder, store) as site:
        site.deploy(*bank.FLOWS)
        started = {site.start(flow): flow for flow, times in STARTED.items() for _ in range(times)}
        if name.startswith("adoption"):
            first = site.serve()
            site.until(lambda: len(site.ledger()) > 5 * number, "work to begin")
            first.kill()
        armed = site.launch("serve", failpoint=f"{name}:{1 if name.startswith('adoption') else number}")
        # A server on SQLite is ended by the kernel in the middle of a frame that COMMIT writes.
        deadly = signal.SIGXFSZ if name == "commit.inside" and store is None else signal.SIGKILL
        assert armed.wait() == -deadly, f"`{name}` was not reached {number} times:\n{armed.output()}"
        site.serve()
        for execution in started:
            site.ended(execution)
        promises.check(site, started)


@pytest.mark.parametrize("name", NAMES)
def test_a_server_killed_there_keeps_its_promises(tmp_path: Path, name: str) -> None:
    _killed_at(tmp_path, name, 4)


@pytest.mark.parametrize("name", NAMES)
def test_a_server_on_postgresql_killed_there_keeps_its_promises(tmp_path: Path, postgres_url: str, name: str) -> None:
    _killed_at(tmp_path, name, 3, postgres_url)


@pytest.mark.parametrize("number", [1, 5, 12])
def test_a_server_that_never_hears_what_came_of_a_commit_keeps_its_promises(
    tmp_path: Path, postgres_url: str, number: int
) -> None:
    with Site(tmp_path, postgres_url) as site:
        site.deploy(*bank.FLOWS)
        started = {site.start(flow): flow for flow, times in STARTED.items() for _ in range(times)}
        server = site.serve(failpoint=f"commit.cut:{number}")
        for execution in started:
            assert site.ended(execution)["state"] == "success"
        assert "the connection" in server.output()
        promises.check(site, started)


@pytest.mark.soak
@pytest.mark.parametrize("number", range(1, 21))
@pytest.mark.parametrize("name", NAMES)
def test_a_server_killed_there_at_any_time_keeps_its_promises(tmp_path: Path, name: str, number: int) -> None:
    _killed_at(tmp_path, name, number)


@pytest.mark.soak
@pytest.mark.parametrize("number", range(1, 21))
@pytest.mark.parametrize("name", NAMES)
def test_a_server_on_postgresql_killed_there_at_any_time_keeps_its_promises(
    tmp_path: Path, postgres_url: str, name: str, number: int
) -> None:
    _killed_at(tmp_path, name, number, postgres_url)
