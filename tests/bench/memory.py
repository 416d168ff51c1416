"""What a server costs that has nothing to do, also with 5,000 schedules; and the memory of a flow of 10,000 targets."""

from __future__ import annotations

import time
from collections.abc import Iterator

from rota.server.application import Application
from rota.settings import Settings
from tests.bench.processes import ask
from tests.bench.result import Result
from tests.bench.schedules import FLOWS, deploy
from tests.bench.setups import Setup

TARGETS = 10_000
IDLE_SECONDS = 10
ONLY = ("power", "postgres")
IDLE_AIM, STATEMENTS_AIM, CORE_AIM, TARGETS_AIM = 120, 5, 1, 300


def run(setup: Setup) -> Iterator[Result]:
    """Measure processes of their own; the floor is Python with the libraries, or the same flow with one target."""
    libraries = _child(setup, "libraries", 0)
    yield from _idle("idle server", setup, libraries["rss"], scheduled=False)
    yield from _idle(f"idle server, {FLOWS:,} schedules", setup, libraries["rss"], scheduled=True)
    many, one = _child(setup, "fleet", TARGETS), _child(setup, "fleet", 1)
    yield Result(f"fleet of {TARGETS:,}", setup.name, "MB", many["rss"], one["rss"], TARGETS_AIM, less=True)
    yield Result(f"fleet of {TARGETS:,}", setup.name, "s", many["seconds"], less=True)


def _idle(name: str, setup: Setup, libraries: float, *, scheduled: bool) -> Iterator[Result]:
    idle = _child(setup, "idle", IDLE_SECONDS, scheduled=scheduled)
    yield Result(name, setup.name, "MB", idle["rss"], libraries, IDLE_AIM, less=True)
    yield Result(name, setup.name, "statements/s", idle["statements"], aim=STATEMENTS_AIM, less=True)
    yield Result(name, setup.name, "% of a core", idle["core"], aim=CORE_AIM, less=True)


def _child(setup: Setup, what: str, number: int, *, scheduled: bool = False) -> dict[str, float]:
    with setup.home() as home, setup.database() as url:
        if setup.server is not None:
            from rota.store.migrate import migrate

            migrate(url)
        if scheduled:
            with Application(Settings(home=home, store=url, durability=setup.durability)) as app:
                app.maintenance.make_key()
                deploy(app, time.time())
        order = {"what": what, "number": number, "home": str(home), "store": url, "durability": setup.durability}
        return ask("tests.bench.child", order)
