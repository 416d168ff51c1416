"""Task type `mongo.stats`: sizes and counts of databases and collections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from rota import Context
from rota_mongo.connection import MongoTask, Roles
from rota_mongo.operation import check_cancelled, connected, read_preference
from rota_mongo.replies import whole

if TYPE_CHECKING:
    from pymongo.database import Database

    from rota_mongo.client import Client


class Sizes(BaseModel):
    """Sizes and counts; sizes are in bytes."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    name: str
    """The name of the database, or of the collection with that of its database before it."""
    documents: int
    """How many documents there are."""
    data_bytes: int
    """How much the documents take, uncompressed."""
    storage_bytes: int
    """How much they take on disk."""
    indexes: int
    """How many indexes there are."""
    index_bytes: int
    """How much the indexes take on disk."""
    average_document_bytes: float
    """How much a document takes, uncompressed, on the average."""


class StatsReport(BaseModel):
    """Sizes and counts of what was asked for."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    total: Sizes
    """All of it together; its name is that of the database or collection, empty for the whole server."""
    databases: list[Sizes]
    """Each database, the largest first; empty when one database or collection was asked for."""
    collections: list[Sizes]
    """Each collection, the largest first; empty unless one database was asked for with `collections: true`."""


class Stats(MongoTask):
    """Tell the sizes of a server, a database or a collection.

    Example:
        - id: usage
          type: mongo.stats
          uri: "{{ secret('db-01#uri') }}"
          database: shop
          collections: true
    """

    idempotent: ClassVar[bool] = True

    database: str | None = Field(default=None, min_length=1)
    """The database. Default: all, but for `admin`, `config` and `local`."""
    collection: str | None = Field(default=None, min_length=1)
    """The collection of the database. Default: all."""
    collections: bool = False
    """Tell of each collection of the database, too."""
    read_preference: Roles = "primary_preferred"
    """Which member to ask."""

    @model_validator(mode="after")
    def _is_one_thing(self) -> Self:
        if (self.collection or self.collections) and self.database is None:
            raise ValueError("`collection` and `collections` need `database`")
        if self.collection and self.collections:
            raise ValueError("give `collection` or `collections`, and not both")
        return self

    def run(self, ctx: Context) -> StatsReport:
        what = self.database or self.place()
        with connected(self, ctx, f"stats of `{what}`") as client:
            if self.database is None:
                return self._server(client, ctx)
            database = client[self.database]
            if self.collection is not None:
                total = self._sizes(database, f"{self.database}.{self.collection}", "collStats", self.collection)
                return StatsReport(total=total, databases=[], collections=[])
            found = []
            for name in self._collections(database) if self.collections else ():
                check_cancelled(ctx)
                found.append(self._sizes(database, f"{self.database}.{name}", "collStats", name))
            total = self._sizes(database, self.database, "dbStats")
            return StatsReport(total=total, databases=[], collections=_largest_first(found))

    def _server(self, client: Client, ctx: Context) -> StatsReport:
        names = client.admin.command("listDatabases", nameOnly=True, read_preference=self._member())["databases"]
        found = []
        for name in (one["name"] for one in names):
            check_cancelled(ctx)
            if name not in {"admin", "config", "local"}:
                found.append(self._sizes(client[name], name, "dbStats"))
        fields = [name for name in Sizes.model_fields if name not in {"name", "average_document_bytes"}]
        sums = {name: sum(getattr(one, name) for one in found) for name in fields}
        average = sums["data_bytes"] / sums["documents"] if sums["documents"] else 0.0
        total = Sizes(name="", average_document_bytes=round(average, 3), **sums)
        return StatsReport(total=total, databases=_largest_first(found), collections=[])

    def _member(self) -> Any:
        # pymongo sends a command to the primary, whatever the database prefers, unless the call itself says so.
        return read_preference(self.read_preference)

    def _collections(self, database: Database[dict[str, Any]]) -> list[str]:
        listing = {"listCollections": 1, "nameOnly": True, "filter": {"type": "collection"}}
        return [one["name"] for one in database.cursor_command(listing, read_preference=self._member())]

    def _sizes(self, database: Database[dict[str, Any]], name: str, command: str, value: Any = 1) -> Sizes:
        return _sizes(name, database.command(command, value, read_preference=self._member()))


def _largest_first(found: list[Sizes]) -> list[Sizes]:
    return sorted(found, key=lambda one: -one.storage_bytes)


def _sizes(name: str, reply: Mapping[str, Any]) -> Sizes:
    """Return the sizes in a reply of `dbStats` or `collStats`, which call them differently."""
    return Sizes(
        name=name,
        documents=whole(reply.get("objects", reply.get("count"))),
        data_bytes=whole(reply.get("dataSize", reply.get("size"))),
        storage_bytes=whole(reply.get("storageSize")),
        indexes=whole(reply.get("indexes", reply.get("nindexes"))),
        index_bytes=whole(reply.get("indexSize", reply.get("totalIndexSize"))),
        average_document_bytes=float(reply.get("avgObjSize") or 0),
    )
