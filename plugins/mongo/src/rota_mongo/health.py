"""Task type `mongo.health`: how a MongoDB is, in one typed answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from rota import Context, Duration, TaskFailed
from rota_mongo.connection import MongoTask, Roles
from rota_mongo.operation import connected, read_preference
from rota_mongo.replies import whole

if TYPE_CHECKING:
    from rota_mongo.client import Client


class _Answer(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)


class Member(_Answer):
    """A member of a replica set."""

    name: str
    """Its `host:port`."""
    state: str
    """`PRIMARY`, `SECONDARY`, `ARBITER`, `RECOVERING`, `(not reachable/healthy)`, …"""
    healthy: bool
    """Whether the others reach it."""
    uptime_seconds: int
    """How long it has been up."""
    lag_seconds: float | None
    """How far behind the primary it is; none for a primary, an arbiter, and without a primary."""
    sync_source: str
    """The member that it copies from; empty for a primary."""


class ReplicaSet(_Answer):
    """A replica set, as the member sees it that was asked."""

    name: str
    """Its name."""
    primary: str | None
    """The `host:port` of the primary, where there is one."""
    term: int
    """The number of the election."""
    members: list[Member]
    """All members."""
    lag_seconds: float | None
    """The largest lag of a healthy secondary."""


class Connections(_Answer):
    """The connections of the server that was asked."""

    current: int
    """How many are open."""
    available: int
    """How many more it would take."""
    total_created: int
    """How many there have been since it started."""
    active: int | None
    """How many of the open ones are at work, where the server tells."""


class DatabaseSize(_Answer):
    """A database and what it takes."""

    name: str
    """Its name."""
    bytes_on_disk: int
    """Its size on disk, in bytes."""


class HealthReport(_Answer):
    """How a MongoDB is."""

    healthy: bool
    """Whether there are no `problems`."""
    problems: list[str]
    """What is wrong, a sentence each."""
    unknown: list[str]
    """What could not be asked, since the login may not: `replica_set`, `connections`, `sizes`."""
    address: str
    """The `host:port` that answered."""
    version: str
    """The server's version."""
    role: str
    """`primary`, `secondary`, `arbiter`, `standalone`, `mongos` or `other`."""
    writable: bool
    """Whether it takes writes."""
    uptime_seconds: int | None
    """How long the server has been up."""
    storage_engine: str | None
    """Its storage engine."""
    replica_set: ReplicaSet | None
    """Its replica set, where it is in one."""
    connections: Connections | None
    """Its connections."""
    databases: list[DatabaseSize]
    """Its databases, the largest first."""
    bytes_on_disk: int | None
    """The size of all of them, in bytes."""


class Health(MongoTask):
    """Tell how a MongoDB is: roles, replication lag, connections, sizes.

    Example:
        - id: health
          type: mongo.health
          host: [db-01-a.internal, db-01-b.internal]
          replica_set: db-01
          user: monitor
          password: "{{ secret('db-01/monitor#password') }}"
          max_lag: 30s
    """

    idempotent: ClassVar[bool] = True

    max_lag: Duration | None = Field(default=None, gt=timedelta(0))
    """A secondary that is further behind is a problem. Default: any lag is taken."""
    min_members: int = Field(default=0, ge=0)
    """Fewer healthy members than that are a problem."""
    fail: bool = False
    """Fail when there are problems; the output is kept."""
    read_preference: Roles = "primary_preferred"
    """Which member to ask."""

    def run(self, ctx: Context) -> HealthReport:
        doing = f"health of `{self.place()}`"
        with connected(self, ctx, doing) as client:
            report = self._report(client)
        for problem in report.problems:
            ctx.log.warning(problem)
        if report.replica_set is not None and report.replica_set.lag_seconds is not None:
            ctx.metric("mongo.lag_seconds", report.replica_set.lag_seconds)
        if self.fail and report.problems:
            raise TaskFailed(f"{doing}: {'; '.join(report.problems)}", output=report)
        return report

    def _report(self, client: Client) -> HealthReport:
        unknown: list[str] = []
        preference = read_preference(self.read_preference)

        def command(name: str) -> Mapping[str, Any]:
            # A command goes to the primary whatever the database prefers, unless it is told here.
            return client.admin.command(name, read_preference=preference)

        def ask(what: str, name: str) -> Mapping[str, Any] | None:
            return _allowed(unknown, what, lambda: command(name))

        hello = command("hello")
        status = ask("replica_set", "replSetGetStatus") if "setName" in hello else None
        server = ask("connections", "serverStatus") or {}
        sizes = ask("sizes", "listDatabases") or {}
        databases = [
            DatabaseSize(name=one["name"], bytes_on_disk=whole(one.get("sizeOnDisk")))
            for one in sizes.get("databases", ())
        ]
        replica_set = None if status is None else _replica_set(status)
        problems = self._problems(hello, replica_set)
        return HealthReport(
            healthy=not problems,
            problems=problems,
            unknown=unknown,
            address=str(hello.get("me") or self.place()),
            version=str(command("buildInfo")["version"]),
            role=role_of(hello),
            writable=bool(hello.get("isWritablePrimary")),
            uptime_seconds=whole(server["uptime"]) if "uptime" in server else None,
            storage_engine=server.get("storageEngine", {}).get("name"),
            replica_set=replica_set,
            connections=_connections(server.get("connections")),
            databases=sorted(databases, key=lambda one: -one.bytes_on_disk),
            bytes_on_disk=whole(sizes["totalSize"]) if "totalSize" in sizes else None,
        )

    def _problems(self, hello: Mapping[str, Any], replica_set: ReplicaSet | None) -> list[str]:
        if "setName" in hello and not hello.get("primary") and not hello.get("isWritablePrimary"):
            problems = [f"the replica set `{hello['setName']}` has no primary"]
        else:
            problems = []
        members = replica_set.members if replica_set else []
        problems += [f"`{one.name}` is {one.state}" for one in members if not one.healthy or one.state in _BAD]
        healthy = sum(one.healthy for one in members)
        if replica_set and healthy < self.min_members:
            problems.append(f"{healthy} members are healthy, and {self.min_members} should be")
        if self.max_lag is not None:
            limit = self.max_lag.total_seconds()
            late = [one for one in members if one.lag_seconds is not None and one.lag_seconds > limit]
            problems += [f"`{one.name}` is {one.lag_seconds:g} s behind" for one in late]
        return problems


_BAD = frozenset({"STARTUP", "RECOVERING", "STARTUP2", "UNKNOWN", "DOWN", "ROLLBACK", "REMOVED"})


def role_of(hello: Mapping[str, Any]) -> str:
    """Return what a server is, by its answer to `hello`."""
    if hello.get("msg") == "isdbgrid":
        return "mongos"
    if "setName" not in hello:
        return "standalone" if hello.get("isWritablePrimary") else "other"
    roles = {"isWritablePrimary": "primary", "secondary": "secondary", "arbiterOnly": "arbiter"}
    return next((role for name, role in roles.items() if hello.get(name)), "other")


def _allowed(unknown: list[str], what: str, ask: Any) -> Mapping[str, Any] | None:
    """Return the answer, or None and a word in `unknown` where the login may not ask or the server does not know."""
    from pymongo.errors import OperationFailure

    try:
        answer: Mapping[str, Any] = ask()
    except OperationFailure as error:
        if error.code not in {13, 59, 76, 94}:
            raise
        unknown.append(what)
        return None
    return answer


def _replica_set(status: Mapping[str, Any]) -> ReplicaSet:
    found = status["members"]
    primary = next((one for one in found if one.get("stateStr") == "PRIMARY"), None)
    members = [
        Member(
            name=one["name"],
            state=str(one.get("stateStr", "UNKNOWN")),
            healthy=bool(one.get("health", 0)),
            uptime_seconds=whole(one.get("uptime")),
            lag_seconds=_lag(one, primary),
            sync_source=str(one.get("syncSourceHost") or ""),
        )
        for one in found
    ]
    lags = [one.lag_seconds for one in members if one.healthy and one.lag_seconds is not None]
    return ReplicaSet(
        name=status["set"],
        primary=primary["name"] if primary else None,
        term=whole(status.get("term")),
        members=members,
        lag_seconds=max(lags, default=None),
    )


def _lag(member: Mapping[str, Any], primary: Mapping[str, Any] | None) -> float | None:
    if primary is None or member.get("stateStr") != "SECONDARY" or "optimeDate" not in member:
        return None
    # A member is asked before the primary's time has come round: never below zero.
    return max(0.0, float((primary["optimeDate"] - member["optimeDate"]).total_seconds()))


def _connections(found: Mapping[str, Any] | None) -> Connections | None:
    if found is None:
        return None
    return Connections(
        current=whole(found.get("current")),
        available=whole(found.get("available")),
        total_created=whole(found.get("totalCreated")),
        active=whole(found["active"]) if "active" in found else None,
    )
