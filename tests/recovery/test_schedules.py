"""Two servers on one PostgreSQL, a schedule every second, servers killed in turn, a clock that steps both ways."""

from __future__ import annotations

import random
import time
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from rota.flows.loader import parse_flow
from rota.store import triggers
from tests.recovery.site import Server, Site

FLOWS = """
id: tick-{number}
triggers: [{{id: second, type: schedule, cron: "* * * * * *", on_missed: all, max_missed: 10000}}]
tasks: [{{id: say, type: log, message: "{{{{ trigger.date }}}}"}}]
"""
CLOCK = """
import time
_real, _state = time.time, [0.0, 0.0]
def _now():
    at = time.monotonic()
    if at > _state[1]:
        try:
            with open({file!r}) as file:
                _state[:] = float(file.read() or _state[0]), at + 0.02
        except (OSError, ValueError):
            pass
    return _real() + _state[0]
time.time = _now
"""
"""Loaded by each server at its start: its wall clock goes by the offset in a file."""


class Clock:
    """The wall clock of all servers of a site, which steps as the test says."""

    def __init__(self, site: Site) -> None:
        self._file = site.folder / "clock"
        self.offset = 0.0
        self.step(0.0)
        (site.folder / "site" / "sitecustomize.py").write_text(CLOCK.format(file=str(self._file)))

    def step(self, seconds: float) -> None:
        self.offset += seconds
        new = self._file.with_suffix(".new")
        new.write_text(str(self.offset))
        new.rename(self._file)


def fired(site: Site, number: int) -> Counter[int]:
    """Return how often each second was started, by what is on record of the executions."""
    with site.app.store.read() as conn:
        statement = f"SELECT trigger FROM executions WHERE flow = 'tick-{number}'"
        rows = conn.exec_driver_sql(statement).scalars().all()
    import json

    dates = [datetime.fromisoformat((row if isinstance(row, dict) else json.loads(row))["date"]) for row in rows]
    return Counter(int(date.timestamp()) for date in dates)


def check(site: Site, flows: int) -> int:
    """Fail unless each second from the deployment to the mark was started once; return how many starts there were."""
    total = 0
    for number in range(flows):
        seconds = fired(site, number)
        assert seconds
        with site.app.store.read() as conn:
            row = triggers.get(conn, "default", f"tick-{number}", "second")
        assert row is not None
        planned = range(int(row["anchor_at"]) + 1, int(row["high_water_at"]) + 1)
        twice = [second for second, times in seconds.items() if times > 1]
        lost = [second for second in planned if second not in seconds]
        assert (twice, lost, seconds.keys() - set(planned)) == ([], [], set()), (
            f"tick-{number}: {len(twice)} twice, {len(lost)} lost\n{site.story()}"
        )
        total += seconds.total()
    return total


def drive(folder: Path, url: str, seed: int, *, kills: int, flows: int, wanted: int) -> None:
    """Kill servers in turn and step the clock, until there were `kills` and `wanted` starts; then check."""
    chance = random.Random(seed)
    with Site(folder, url) as site:
        clock = Clock(site)
        for number in range(flows):
            site.app.flows.deploy(parse_flow(FLOWS.format(number=number)))
        servers: list[Server] = [site.serve(), site.serve()]
        killed = steps = 0
        while killed < kills or sum(fired(site, number).total() for number in range(flows)) < wanted:
            before = fired(site, 0).total()
            site.until(lambda before=before: fired(site, 0).total() > before + 2, "the schedule to go on")  # type: ignore[misc]
            clock.step(chance.choice((-7.0, -2.5, 3.0, 20.0)))
            steps += 1
            if killed < kills:
                servers[killed % 2].kill()
                killed += 1
                time.sleep(chance.uniform(0.0, 1.0))
                servers[(killed - 1) % 2] = site.serve()
        for number in range(flows):
            site.app.triggers.switch("default", f"tick-{number}", "second", enabled=False)
        for server in servers:
            server.process.terminate()
            server.wait()
        total = check(site, flows)
        print(f"seed {seed}: {total} starts, {killed} kills, {steps} steps of the clock, none twice, none lost")  # noqa: T201


@pytest.mark.timeout(240)
def test_no_date_is_started_twice_or_lost_though_servers_are_killed_and_the_clock_steps(
    tmp_path: Path, postgres_url: str
) -> None:
    drive(tmp_path, postgres_url, random.SystemRandom().randrange(1 << 32), kills=3, flows=2, wanted=60)


@pytest.mark.soak
def test_ten_thousand_dates_and_twenty_kills(tmp_path: Path, postgres_url: str) -> None:
    drive(tmp_path, postgres_url, random.SystemRandom().randrange(1 << 32), kills=20, flows=20, wanted=10_000)
