"""A home with the plugin `probe` for the tests of flows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.flows import probe
from tests.flows.harness import Rota


@pytest.fixture(scope="session")
def probe_dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the plugin `probe` is installed."""
    folder = tmp_path_factory.mktemp("site")
    info = folder / "rota_probe-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rota-probe\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[rota]\nprobe = tests.flows.probe\n")
    return folder


@pytest.fixture
def make_rota(tmp_path: Path, probe_dist: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Rota]]:
    """Make a home of the test's own, with settings."""
    monkeypatch.syspath_prepend(str(probe_dist))
    made: list[Rota] = []

    def make(**settings: Any) -> Rota:
        made.append(Rota(tmp_path / f"home-{len(made)}", **settings))
        return made[-1]

    yield make
    probe.reset()
    for rota in made:
        rota.close()


@pytest.fixture
def rota(request: pytest.FixtureRequest, make_rota: Callable[..., Rota]) -> Iterator[Rota]:
    """A home of the test's own; on PostgreSQL too in the modules that say so."""
    settings = {}
    if getattr(request, "param", "sqlite") == "postgresql":
        from rota.store.migrate import migrate

        settings["store"] = request.getfixturevalue("postgres_url")
        migrate(settings["store"])
    made = make_rota(**settings)
    yield made
    probe.reset()
    made.close()
