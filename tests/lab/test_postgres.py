"""The lab's PostgreSQL, and the databases that tests get in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from tests.lab.postgres import Postgres
from tests.lab.process import processes_with


@pytest.fixture
def own() -> Iterator[Postgres]:
    """A server that the test may do anything to."""
    with Postgres.start() as server:
        yield server


def execute(url: str, statement: str) -> object:
    """Run a statement on a connection of its own; return its first value, None when there is none."""
    with create_engine(url, poolclass=NullPool).begin() as connection:
        result = connection.execute(text(statement))
        return result.scalar() if result.returns_rows else None


def test_a_test_gets_an_empty_database_of_its_own(postgres: Postgres, postgres_url: str) -> None:
    assert postgres_url.startswith("postgresql+psycopg://")
    assert execute(postgres_url, "select count(*) from information_schema.tables where table_schema = 'public'") == 0
    execute(postgres_url, "create table kept (n int)")
    with postgres.database() as other, pytest.raises(Exception, match="kept"):
        execute(other, "select * from kept")


def test_a_database_goes_although_somebody_is_connected(postgres: Postgres) -> None:
    with postgres.database() as url:
        engine = create_engine(url)
        connection = engine.connect()
        connection.execute(text("select 1"))
    with pytest.raises(OperationalError):
        connection.execute(text("select 1"))
    connection.invalidate()
    engine.dispose()
    with pytest.raises(OperationalError, match="does not exist"):
        execute(url, "select 1")


def test_a_wrong_password_is_refused(own: Postgres) -> None:
    with pytest.raises(OperationalError, match="password authentication failed"):
        execute(own.url.replace("postgres:", "postgres:not-", 1), "select 1")


def test_a_killed_server_comes_back_with_its_data(own: Postgres) -> None:
    url = own.create_database()
    execute(url, "create table kept as select 42 as n")
    execute(url, "checkpoint")
    own.kill()
    with pytest.raises(OperationalError):
        execute(url, "select n from kept")
    own.restart()
    assert execute(url, "select n from kept") == 42


def test_nothing_is_left_of_a_stopped_server() -> None:
    with Postgres.start() as server:
        folder = server.server.folder
        assert processes_with(str(folder))
    assert not folder.exists()
    assert processes_with(str(folder)) == []


def test_a_given_server_is_used_and_left_running(own: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROTA_TEST_POSTGRES", own.url.replace("+psycopg", ""))
    with Postgres.start_or_given() as given, given.database() as url:
        assert url.startswith("postgresql+psycopg://")
        assert execute(url, "select 1") == 1
        with pytest.raises(RuntimeError, match="was there before"):
            given.kill()
    assert execute(own.url, "select 1") == 1
