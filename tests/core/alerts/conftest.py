"""An office for each test: a store, a clock, sinks that keep what they get, and the evaluator over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rota.store import Store
from tests.core.alerts.office import Office, Recorder
from tests.core.store.conftest import sqlite_path, sqlite_store, store, store_url

__all__ = ["sqlite_path", "sqlite_store", "store", "store_url"]

Open = Callable[..., Office]


@pytest.fixture(autouse=True)
def forget_what_sinks_got() -> Iterator[None]:
    Recorder.forget()
    yield
    Recorder.forget()


@pytest.fixture
def office(sqlite_store: Store, tmp_path: Path) -> Open:
    """Open an office over an SQLite file, with settings as given."""
    return lambda settings="", **options: Office(sqlite_store, tmp_path, settings, **options)


@pytest.fixture
def any_office(store: Store, tmp_path: Path) -> Open:
    """Open an office over each database."""
    return lambda settings="", **options: Office(store, tmp_path, settings, **options)
