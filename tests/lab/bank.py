"""A whole small bank: clusters of an SSH host and a MongoDB each, a Vault, S3, an inventory, mail, git, PostgreSQL."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.lab import vaultseed
from tests.lab.githttp import GitHttp
from tests.lab.inventory_api import Cluster, InventoryApi
from tests.lab.mongodb import MongoDB
from tests.lab.postgres import Postgres
from tests.lab.s3 import S3
from tests.lab.smtp import Smtp
from tests.lab.sshfleet import SshFleet
from tests.lab.vault import Vault

ServerT = TypeVar("ServerT", bound=AbstractContextManager[Any])

PRICES = {"cluster_month": 40.0, "gigabyte_month": 0.25, "backup_gigabyte_month": 0.05}
BUCKETS = ("backups", "reports", "billing", "artifacts")
IDENTITIES = {
    "backup": [f"{action}:{bucket}" for bucket in BUCKETS for action in ("Read", "Write", "List", "Tagging")],
    "reader": ["Read", "List"],
}
HOST_PROGRAMS = Path(__file__).with_name("hostbin")
_TEAMS = ("payments", "cards", "loans", "ledger", "risk")
_FLOW = "id: hello\nnamespace: bank\ntasks:\n  - {id: hello, type: log, message: hello from git}\n"


@dataclass(frozen=True)
class Bank:
    """The running servers, `clusters` as the inventory tells of them, and Vault's login for programs.

    `mongodb` has a server for each cluster, and after those one of the bank's own, at `reference_mongodb`.
    """

    clusters: list[Cluster]
    fleet: SshFleet
    mongodb: MongoDB
    vault: Vault
    approle: vaultseed.AppRole
    s3: S3
    inventory: InventoryApi
    smtp: Smtp
    git: GitHttp
    postgres: Postgres

    @property
    def reference_mongodb(self) -> str:
        """`host:port` of the MongoDB where the bank keeps what it knows of its clusters, empty at first."""
        return self.mongodb.address(len(self.clusters))


@contextmanager
def bank(clusters: int = 57, *, durable: bool = False) -> Iterator[Bank]:
    """Start a bank with that many clusters, full of data, and stop it; `durable` is for MongoDBs that are killed.

    Raises `ServerFailed`.
    """
    names = [f"db-{number:02}" for number in range(1, clusters + 1)]
    with ExitStack() as servers, ThreadPoolExecutor(8, "lab") as pool:

        def started(start: Callable[[], ServerT]) -> Callable[[], ServerT]:
            """Start it at the side; whatever happens meanwhile, it is stopped at the end."""
            future = pool.submit(lambda: servers.enter_context(start()))
            return future.result

        wait_for_postgres = started(Postgres.start)
        wait_for_s3 = started(lambda: S3.start(IDENTITIES))
        wait_for_mongodb = started(lambda: MongoDB.start(clusters + 1, durable=durable))
        wait_for_vault = started(Vault.start)
        wait_for_smtp = started(Smtp.start)
        wait_for_git = started(GitHttp.start)
        mongodb = wait_for_mongodb()
        passwords = {name: secrets.token_urlsafe(12) for name in names}
        filled = pool.map(lambda at: _fill_mongodb(mongodb.uri(at[0]), at[1], passwords[at[1]]), enumerate(names))
        variables = {name: _variables(name, mongodb.uri(index)) for index, name in enumerate(names)}
        fleet = started(lambda: SshFleet.start(names, variables=variables))()
        listed = [_cluster(index, fleet, mongodb) for index in range(clusters)]
        inventory = started(lambda: InventoryApi.start(listed, PRICES))()
        vault, postgres, s3 = wait_for_vault(), wait_for_postgres(), wait_for_s3()
        approle = _fill_vault(vault, postgres, fleet, mongodb, passwords)
        for bucket in BUCKETS:
            s3.create_bucket(bucket, versioned=bucket == "reports")
        git = wait_for_git()
        git.create("flows", {"hello/flow.yaml": _FLOW})
        list(filled)
        yield Bank(listed, fleet, mongodb, vault, approle, s3, inventory, wait_for_smtp(), git, postgres)


def _variables(name: str, uri: str) -> dict[str, str]:
    """The environment of a host's commands: its cluster, its database, and the programs of the lab's hosts."""
    path = os.pathsep.join([str(HOST_PROGRAMS), os.environ.get("PATH", os.defpath)])
    return {"PATH": path, "LAB_PYTHON": sys.executable, "LAB_CLUSTER": name, "MONGODB_URI": uri}


def _cluster(index: int, fleet: SshFleet, mongodb: MongoDB) -> Cluster:
    host = fleet.hosts[index]
    return {
        "name": host.name,
        "environment": ("production", "test", "development")[index % 3],
        "team": _TEAMS[index % len(_TEAMS)],
        "address": host.address,
        "ssh_port": host.port,
        "host_key": host.host_key,
        "mongodb": mongodb.address(index),
        "gigabytes": 5 + index * 7 % 90,
    }


def _fill_mongodb(uri: str, name: str, password: str) -> None:
    """Make the users `app` and `monitor`, and a shop with a few hundred orders."""
    from pymongo import MongoClient

    with MongoClient[dict[str, Any]](uri) as client:
        client.admin.command("createUser", "app", pwd=password, roles=[{"role": "readWrite", "db": "shop"}])
        client.admin.command("createUser", "monitor", pwd=password, roles=["clusterMonitor", "readAnyDatabase"])
        orders = [{"_id": at, "cluster": name, "customer": f"c-{at % 40}", "total": at * 1.25} for at in range(300)]
        client["shop"]["orders"].insert_many(orders)


def _fill_vault(
    vault: Vault, postgres: Postgres, fleet: SshFleet, mongodb: MongoDB, passwords: dict[str, str]
) -> vaultseed.AppRole:
    approle = vaultseed.seed(vault, postgres)
    fleet.trust_user_ca(vaultseed.ssh_ca_key(vault))
    vaultseed.put_secret(vault, "mongodb/admin", {"username": mongodb.user, "password": mongodb.password})
    vaultseed.put_secret(vault, "ssh/fleet", {"user": fleet.user, "private_key": fleet.key.private.read_text()})
    for name, password in passwords.items():
        vaultseed.put_secret(vault, f"clusters/{name}", {"username": "app", "password": password})
    return approle
