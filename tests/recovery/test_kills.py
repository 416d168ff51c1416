"""Servers are killed at random moments, again and again; what was promised holds."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.recovery.rounds import Round
from tests.recovery.site import Site

SEEDS = [int(os.environ.get("RECOVERY_SEED", "0")) or random.SystemRandom().randrange(1 << 32) for _ in range(200)]


def _round(folder: Path, seed: int, store: str | None = None, servers: int = 1) -> None:
    print(f"RECOVERY_SEED={seed}")  # noqa: T201 - what is needed to see it again
    with Site(folder, store) as site:
        Round(site, seed, kills=3 + seed % 4, servers=servers).run()


@pytest.mark.parametrize("number", range(15))
def test_promises_hold_on_sqlite_whenever_servers_are_killed(tmp_path: Path, number: int) -> None:
    _round(tmp_path, SEEDS[number])


@pytest.mark.parametrize("number", range(5))
def test_promises_hold_on_postgresql_whenever_servers_are_killed(
    tmp_path: Path, postgres_url: str, number: int
) -> None:
    _round(tmp_path, SEEDS[number], postgres_url, servers=1 + number % 2)


@pytest.mark.soak
@pytest.mark.parametrize("number", range(200))
def test_promises_hold_on_sqlite_in_200_rounds(tmp_path: Path, number: int) -> None:
    _round(tmp_path, SEEDS[number])


@pytest.mark.soak
@pytest.mark.parametrize("number", range(50))
def test_promises_hold_on_postgresql_in_50_rounds(tmp_path: Path, postgres_url: str, number: int) -> None:
    _round(tmp_path, SEEDS[number], postgres_url, servers=1 + number % 2)
