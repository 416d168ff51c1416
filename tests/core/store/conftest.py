"""A store on each database: every test that takes `store` runs on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rota.store import Store, open_store
from rota.store.migrate import migrate


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new database with Rota's tables in it."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/store/rota.db"
        open_store(url).close()
        return url
    url = request.getfixturevalue("postgres_url")
    migrate(url)
    return str(url)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An open store, on each database."""
    opened = open_store(store_url, durability="process")
    yield opened
    opened.close()


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    """An open store in a file."""
    opened = open_store(f"sqlite:///{tmp_path}/store/rota.db", durability="process")
    yield opened
    opened.close()


@pytest.fixture
def sqlite_path(tmp_path: Path) -> Path:
    """Where an SQLite file may be made."""
    return tmp_path / "store" / "rota.db"
