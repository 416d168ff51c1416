"""The lab's servers as pytest fixtures: each started when first asked for, one of its own for every xdist worker.

A test that kills, freezes or restarts a server starts one of its own (`with Vault.start() as vault:`).
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.certificates import CertificateAuthority
    from tests.lab.githttp import GitHttp
    from tests.lab.inventory_api import InventoryApi
    from tests.lab.mongodb import MongoDB
    from tests.lab.postgres import Postgres
    from tests.lab.s3 import S3
    from tests.lab.silence import Silence
    from tests.lab.smtp import Smtp
    from tests.lab.sshd import Sshd
    from tests.lab.sshfleet import SshFleet
    from tests.lab.vault import Vault


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server, or the one that ROTA_TEST_POSTGRES names."""
    from tests.lab.postgres import Postgres

    with Postgres.start_or_given() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """The SQLAlchemy URL of an empty PostgreSQL database of this test's own, dropped after it."""
    with postgres.database() as url:
        yield url


@pytest.fixture(scope="session")
def vault() -> Iterator[Vault]:
    """A Vault server with KV version 2 at `secret/` and nothing in it."""
    from tests.lab.vault import Vault

    with Vault.start() as server:
        yield server


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    """An S3 server, with the identities `admin` and `reader` (who may read and list, everywhere)."""
    from tests.lab.s3 import S3

    with S3.start({"reader": ["Read", "List"]}) as server:
        yield server


@pytest.fixture
def s3_bucket(s3: S3) -> Iterator[str]:
    """The name of an empty bucket of this test's own; it goes with the test: a server has room for some 200 of them."""
    name = s3.create_bucket(f"test-{uuid.uuid4().hex[:12]}")
    yield name
    s3.client().delete_bucket(Bucket=name)


@pytest.fixture(scope="session")
def mongodb() -> Iterator[MongoDB]:
    """Three MongoDB servers, each a replica set of one, that ask for a login."""
    from tests.lab.mongodb import MongoDB

    with MongoDB.start(3) as servers:
        yield servers


@pytest.fixture
def mongodb_uri(request: pytest.FixtureRequest) -> str:
    """The connection string of a MongoDB administrator: the first of `mongodb`, or what ROTA_TEST_MONGODB says."""
    given = os.environ.get("ROTA_TEST_MONGODB")
    if given:
        return given
    servers: MongoDB = request.getfixturevalue("mongodb")
    return servers.uri()


@pytest.fixture
def real_mongodb_uri() -> str:
    """What ROTA_TEST_MONGODB says; skips the test without it, for what only a real mongod does."""
    given = os.environ.get("ROTA_TEST_MONGODB")
    if not given:
        pytest.skip("needs a real mongod: set ROTA_TEST_MONGODB to its connection string")
    return given


@pytest.fixture
def mongodb_database(mongodb_uri: str) -> Iterator[str]:
    """The name of an empty database of this test's own in `mongodb_uri`, dropped after it."""
    from pymongo import MongoClient

    name = f"test_{uuid.uuid4().hex[:12]}"
    yield name
    with MongoClient[dict[str, object]](mongodb_uri) as client:
        client.drop_database(name)


@pytest.fixture(scope="session")
def sshd() -> Iterator[Sshd]:
    """A real OpenSSH server; without one installed the test is skipped, and in CI fails."""
    from tests.lab.sshd import MISSING, Sshd, installed

    if not installed():
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    with Sshd.start() as server:
        yield server


@pytest.fixture(scope="session")
def running_ssh_fleet() -> Iterator[SshFleet]:
    """The hosts behind `ssh_fleet`, which mends them after each test."""
    from tests.lab.sshfleet import SshFleet

    with SshFleet.start([f"host-{number}" for number in range(1, 6)]) as fleet:
        yield fleet


@pytest.fixture
def ssh_fleet(running_ssh_fleet: SshFleet) -> Iterator[SshFleet]:
    """Five SSH hosts, `host-1` to `host-5`; the faults that a test gives them go with it."""
    yield running_ssh_fleet
    running_ssh_fleet.mend()


@pytest.fixture(scope="session")
def running_smtp() -> Iterator[Smtp]:
    """The server behind `smtp`, which empties it for each test."""
    from tests.lab.smtp import Smtp

    with Smtp.start() as server:
        yield server


@pytest.fixture
def smtp(running_smtp: Smtp) -> Smtp:
    """A mail server without a login, that has got no mail yet."""
    running_smtp.clear()
    running_smtp.refuse(None)
    return running_smtp


@pytest.fixture(scope="session")
def git_http() -> Iterator[GitHttp]:
    """A git server without repositories and without a login."""
    from tests.lab.githttp import GitHttp

    with GitHttp.start() as server:
        yield server


@pytest.fixture
def inventory_api() -> Iterator[InventoryApi]:
    """An inventory API of this test's own, with the clusters `db-01` to `db-05`."""
    from tests.lab.inventory_api import InventoryApi

    clusters = [{"name": f"db-{number:02}", "environment": "test", "gigabytes": number} for number in range(1, 6)]
    with InventoryApi.start(clusters, {"gigabyte_month": 0.25, "cluster_month": 40.0}) as server:
        yield server


@pytest.fixture
def silence() -> Iterator[Silence]:
    """A port that takes connections and never answers."""
    from tests.lab.silence import Silence

    with Silence.start() as server:
        yield server


@pytest.fixture
def certificate_authority(tmp_path: Path) -> CertificateAuthority:
    """A certificate authority of this test's own."""
    from tests.lab.certificates import CertificateAuthority

    return CertificateAuthority.create(tmp_path / "certificates")


@pytest.fixture(params=["expired", "self_signed"])
def badly_certified(
    request: pytest.FixtureRequest, certificate_authority: CertificateAuthority
) -> Iterator[tuple[str, Path]]:
    """The https address of a server with a certificate that nobody should trust, and the authority that is trusted."""
    from tests.lab.certificates import ServerTls
    from tests.lab.inventory_api import InventoryApi

    ca, expired = certificate_authority, request.param == "expired"
    certificate = ca.issue("expired", expired=True) if expired else ca.self_signed("self-signed")
    with InventoryApi.start(tls=ServerTls(certificate)) as api:
        yield api.url, ca.cert
