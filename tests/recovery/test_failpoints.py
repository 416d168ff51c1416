"""A server is killed at each of the named points; what was promised holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from rota.conductor.failpoints import NAMES
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
        assert armed.wait() == -9, f"`{name}` was not reached {number} times:\n{armed.output()}"
        site.serve()
        for execution in started:
            site.ended(execution)
        promises.check(site, started)


@pytest.mark.parametrize("name", NAMES)
def test_a_server_killed_there_keeps_its_promises(tmp_path: Path, name: str) -> None:
    _killed_at(tmp_path, name, 4)


@pytest.mark.parametrize("name", ["commit.inside", "adoption.inside", "outcome.after_commit"])
def test_a_server_on_postgresql_killed_there_keeps_its_promises(tmp_path: Path, postgres_url: str, name: str) -> None:
    _killed_at(tmp_path, name, 3, postgres_url)


@pytest.mark.soak
@pytest.mark.parametrize("number", range(1, 21))
@pytest.mark.parametrize("name", NAMES)
def test_a_server_killed_there_at_any_time_keeps_its_promises(tmp_path: Path, name: str, number: int) -> None:
    _killed_at(tmp_path, name, number)
