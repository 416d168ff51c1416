"""The floor: a bare thread pool, and rows in group commits by the database's own driver. Nothing could be less."""

from __future__ import annotations

import itertools
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any, Protocol

import sqlalchemy as sa

from tests.bench.setups import Setup

WORKERS = 64
Row = tuple[str, str, str, str, float]
"""Execution, path, node, state, time."""


class Table(Protocol):
    """A table of states with one row per task."""

    def write(self, rows: Sequence[Row]) -> None:
        """Insert or replace rows in a transaction of their own."""


class SqliteTable:
    """By the standard library's driver."""

    def __init__(self, path: str, synchronous: str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.executescript(
            f"PRAGMA journal_mode=WAL; PRAGMA synchronous={synchronous}; PRAGMA cache_size=-16000;"
            "CREATE TABLE runs (execution TEXT, path TEXT, node TEXT, state TEXT, at REAL,"
            " PRIMARY KEY (execution, path, node)) WITHOUT ROWID;"
        )

    def write(self, rows: Sequence[Row]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(
            "INSERT INTO runs VALUES (?,?,?,?,?) ON CONFLICT DO UPDATE SET state=excluded.state, at=excluded.at", rows
        )
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class PostgresTable:
    """By psycopg, with one array a column."""

    def __init__(self, url: str) -> None:
        import psycopg

        plain = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        self._connection = psycopg.connect(plain)
        self._connection.execute(
            "CREATE TABLE runs (execution TEXT, path TEXT, node TEXT, state TEXT, at FLOAT8,"
            " PRIMARY KEY (execution, path, node))"
        )
        self._connection.commit()

    def write(self, rows: Sequence[Row]) -> None:
        columns: list[Any] = [list(column) for column in zip(*_last_of_each(rows), strict=True)]
        self._connection.execute(
            "INSERT INTO runs SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::float8[])"
            " ON CONFLICT (execution, path, node) DO UPDATE SET state=excluded.state, at=excluded.at",
            columns,
        )
        self._connection.commit()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _last_of_each(rows: Sequence[Row]) -> list[Row]:
    return list({row[:3]: row for row in rows}.values())


@contextmanager
def table(setup: Setup) -> Iterator[Table]:
    """Yield an empty table in a new database of `setup`."""
    with setup.database() as url:
        found: SqliteTable | PostgresTable
        if setup.server is not None:
            found = PostgresTable(url)
        else:
            path = sa.make_url(url).database or ""
            found = SqliteTable(path, "NORMAL" if setup.durability == "process" else "FULL")
        try:
            yield found
        finally:
            found.close()


def fan_out(setup: Setup, count: int, *, rows: int = 1) -> float:
    """Return the seconds for `count` tasks at once, each on record (in `rows` rows) before and after it runs."""
    with table(setup) as store, _pool() as (jobs, done):
        began = time.perf_counter()
        waiting, ended, free = iter(range(count)), 0, WORKERS
        finished: list[int] = []
        while ended < count:
            started = list(itertools.islice(waiting, free))
            store.write([*_rows(finished, "success", rows), *_rows(started, "running", rows)])
            for task in started:
                jobs.put(task)
            finished = _drain(done)
            free += len(finished) - len(started)
            ended += len(finished)
        store.write(_rows(finished, "success", rows))
        return time.perf_counter() - began


def chain(setup: Setup, count: int, *, rows: int = 1) -> float:
    """Return the seconds for `count` tasks in a row: each is on record before the next one starts."""
    with table(setup) as store, _pool() as (jobs, done):
        began = time.perf_counter()
        for task in range(count):
            before = _rows([task - 1], "success", rows) if task else []
            store.write([*before, *_rows([task], "running", rows)])
            jobs.put(task)
            done.get()
        store.write(_rows([count - 1], "success", rows))
        return time.perf_counter() - began


def lines(setup: Setup, count: int, *, at_once: int = 5000) -> float:
    """Return the seconds for writing `count` lines of a log, `at_once` in a transaction."""
    with table(setup) as store:
        began = time.perf_counter()
        for first in range(0, count, at_once):
            store.write(
                [("e", "", str(number), f"line {number} of a log", 0.0) for number in range(first, first + at_once)]
            )
        return time.perf_counter() - began


def _rows(tasks: list[int], state: str, each: int) -> list[Row]:
    now = time.time()
    return [("0" * 26, str(row), f"task_{task}", state, now) for task in tasks for row in range(each)]


def _drain(done: SimpleQueue[int]) -> list[int]:
    found = [done.get()]
    while True:
        try:
            found.append(done.get_nowait())
        except Empty:
            return found


@contextmanager
def _pool() -> Iterator[tuple[SimpleQueue[int | None], SimpleQueue[int]]]:
    jobs: SimpleQueue[int | None] = SimpleQueue()
    done: SimpleQueue[int] = SimpleQueue()

    def work() -> None:
        while (job := jobs.get()) is not None:
            done.put(job)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    try:
        yield jobs, done
    finally:
        for _ in threads:
            jobs.put(None)
        for thread in threads:
            thread.join()
