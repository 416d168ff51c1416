"""A backfill under servers that are killed: every date of its period once, however far it had come."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rota.flows.loader import parse_flow
from tests.recovery.site import Site

DATES, KILLS = 300, 3
FLOW = """
id: hourly
triggers: [{id: hour, type: schedule, cron: "0 * * * *"}]
tasks: [{id: say, type: log, message: "{{ trigger.date }}"}]
"""


def dates(site: Site) -> Counter[str]:
    """Return how often each date was started."""
    rows = site.app.executions.list(flow="hourly", limit=1000)
    return Counter(site.row(row["id"])["trigger"]["date"] for row in rows)


@pytest.mark.timeout(240)
def test_a_backfill_goes_on_where_it_was_though_servers_are_killed(tmp_path: Path) -> None:
    begin = (time.time() - 3600 * (DATES + 2)) // 3600 * 3600
    planned = [datetime.fromtimestamp(begin + 3600 * number, UTC).isoformat() for number in range(DATES)]
    with Site(tmp_path) as site:
        site.app.flows.deploy(parse_flow(FLOW))
        number = site.app.triggers.backfills.start(
            "default", "hourly", "hour", since=begin, until=begin + 3600 * DATES, max_running=2
        )
        for kill in range(KILLS):
            server = site.serve()
            wanted = (kill + 1) * 20
            site.until(lambda wanted=wanted: sum(dates(site).values()) > wanted, "the backfill to go on")  # type: ignore[misc]
            assert site.app.triggers.backfills.get(number)["state"] == "running", "nothing was left to go on with"
            server.kill()
        site.serve()
        site.until(lambda: site.app.triggers.backfills.get(number)["state"] == "done", "its end", 180)
        assert dates(site) == Counter(planned)
        assert site.app.triggers.backfills.get(number)["started"] == DATES
