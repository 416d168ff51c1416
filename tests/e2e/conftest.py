"""One bank of nine clusters for all tests of its flows, and a home of Rota for each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.flowruns import FlowRuns, flow_runs
from tests.lab.bank import Bank, bank

CLUSTERS = 9


@pytest.fixture(scope="session")
def open_bank() -> Iterator[Bank]:
    """A bank of nine clusters, `db-01` to `db-09`."""
    with bank(CLUSTERS) as running:
        yield running


@pytest.fixture
def runs(open_bank: Bank, tmp_path: Path) -> Iterator[FlowRuns]:
    """The bank's flows; the bank's own MongoDB is empty, its hosts are sound."""
    with flow_runs(open_bank, tmp_path) as opened:
        yield opened
