"""What the tests of the plugin have in common."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pymongo import MongoClient
    from pymongo.collection import Collection


@pytest.fixture
def client(mongodb_uri: str) -> Iterator[MongoClient[dict[str, Any]]]:
    """A bare client of the administrator, to prepare and to look."""
    from pymongo import MongoClient

    limits: dict[str, Any] = {"socketTimeoutMS": 10_000, "connectTimeoutMS": 5_000, "serverSelectionTimeoutMS": 10_000}
    with MongoClient[dict[str, Any]](mongodb_uri, tz_aware=True, **limits) as client:
        yield client


@pytest.fixture
def orders(mongodb_uri: str, mongodb_database: str) -> dict[str, Any]:
    """The fields that name the collection `orders` of a database of this test's own."""
    return {"uri": mongodb_uri, "database": mongodb_database, "collection": "orders"}


@pytest.fixture
def stored(client: MongoClient[dict[str, Any]], orders: dict[str, Any]) -> Collection[dict[str, Any]]:
    """That collection, as the bare client sees it."""
    return client[orders["database"]]["orders"]


@pytest.fixture
def user(client: MongoClient[dict[str, Any]], mongodb_database: str) -> Iterator[str]:
    """The name of a user of `admin` that a test may create; it is dropped after it."""
    name = f"user_{mongodb_database}"
    yield name
    if client.admin.command("usersInfo", name)["users"]:
        client.admin.command("dropUser", name)
