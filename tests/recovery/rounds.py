"""One round of the recovery tests: many executions, servers killed at random moments, then the promises checked."""

from __future__ import annotations

import random
import time
from contextlib import suppress

from rota.conductor.recovery import ADOPTIONS
from rota.errors import RotaError
from rota.store import executions
from tests.recovery import bank, promises
from tests.recovery.site import Server, Site

LONGEST = 90.0
"""Seconds that a round may take."""
MOST_NOTES = 400
"""How many lines a server may add to the ledger at the most before it is killed: some half of a round's."""


class Round:
    """Starts the executions of `bank.STARTED`, kills servers `kills` times at moments drawn from `seed`, and waits."""

    def __init__(self, site: Site, seed: int, *, kills: int = 4, servers: int = 1) -> None:
        self.site, self.kills = site, kills
        self.random = random.Random(seed)
        self.executions: dict[str, str] = {}
        self.most_places = 0
        self._servers: list[Server | None] = [None] * servers
        self._due = [(0.0, 0)] * servers
        self._open: set[str] = set()

    def run(self) -> None:
        """Run until every execution has ended, then check what was promised."""
        site = self.site
        site.deploy(*bank.FLOWS)
        wanted = [flow for flow, number in bank.STARTED.items() for _ in range(number)]
        self.random.shuffle(wanted)
        limit = time.monotonic() + LONGEST
        while wanted or self._open:
            self._kill_and_start()
            for _ in range(3):
                if wanted:
                    flow = wanted.pop()
                    self.executions[site.start(flow)] = flow
            self._open = {one for one in self.executions if site.row(one)["ended_at"] is None}
            self._answer()
            self._count_places()
            if time.monotonic() > limit:
                left = {self.executions[one]: (one, site.row(one)["state"], site.states(one)) for one in self._open}
                raise AssertionError(f"these have not ended: {left}\n{site.story()}")
            time.sleep(0.02)
        assert site.kills, "no server was killed: the round shows nothing"
        self._end()
        promises.check(site, self.executions)
        assert self.most_places <= 2

    def _kill_and_start(self) -> None:
        for number, server in enumerate(self._servers):
            if server is not None and self.kills and self._is_due(number) and self._may_kill():
                self.kills -= 1
                server.kill()
            if server is None or server.process.poll() is not None:
                self._servers[number] = self.site.launch("serve")
                self._due[number] = (
                    time.monotonic() + self.random.uniform(0.5, 2.0),
                    self.site.notes() + self.random.randint(1, MOST_NOTES),
                )

    def _is_due(self, number: int) -> bool:
        """Whether its time has come, or enough was done since it was started: all may be done long before its time."""
        at, notes = self._due[number]
        return time.monotonic() >= at or self.site.notes() >= notes

    def _may_kill(self) -> bool:
        """Whether no execution would rightly be called poison soon: on a slow machine a server may get nowhere in its life."""
        with self.site.app.store.read() as conn:
            return all(row["adoptions"] < ADOPTIONS - 2 for row in executions.get_many(conn, list(self._open)))

    def _answer(self) -> None:
        """Be the person that `paused` waits for."""
        for one in self._open:
            if self.executions[one] == "paused" and self.site.row(one)["state"] == "paused":
                with suppress(RotaError):  # it has been answered already
                    self.site.app.executions.resume(one, inputs={"word": "yes"})

    def _count_places(self) -> None:
        limited = [one for one in self._open if self.executions[one] == "limited"]
        with self.site.app.store.read() as conn:  # all at one moment
            rows = executions.get_many(conn, limited)
        held = sum(row["ended_at"] is None and row["state"] not in ("created", "queued") for row in rows)
        self.most_places = max(self.most_places, held)

    def _end(self) -> None:
        """Drain the servers: what they hold in memory must be on disk, and nothing more may come."""
        for server in self._servers:
            if server is not None and server.process.poll() is None:
                server.process.terminate()
                assert server.wait() in (0, -15), server.output()
