"""The lab's MongoDB servers, through pymongo."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure, ServerSelectionTimeoutError

from tests.lab.certificates import CertificateAuthority, ServerTls
from tests.lab.mongodb import MongoDB
from tests.lab.process import processes_with


def client(uri: str, **options: Any) -> MongoClient[dict[str, Any]]:
    return MongoClient(uri, **options)


def refusal(uri: str, **options: Any) -> str:
    """Return why nobody can connect to `uri`."""
    mongo = client(uri, serverSelectionTimeoutMS=1500, **options)
    with mongo, pytest.raises(ServerSelectionTimeoutError) as failure:
        mongo.admin.command("ping")
    return str(failure.value)


def test_documents_are_kept_in_a_database_of_the_tests_own(mongodb_uri: str, mongodb_database: str) -> None:
    with client(mongodb_uri) as mongo:
        mongo[mongodb_database]["things"].insert_one({"_id": 1, "name": "one"})
        assert mongo[mongodb_database]["things"].find_one({"name": "one"}) == {"_id": 1, "name": "one"}


def test_the_servers_know_nothing_of_each_other(mongodb: MongoDB) -> None:
    with client(mongodb.uri(0)) as first, client(mongodb.uri(1)) as second:
        first["test_apart"]["things"].insert_one({})
        assert "test_apart" not in second.list_database_names()
        first.drop_database("test_apart")


def test_nobody_gets_in_without_a_login_or_with_a_wrong_one(mongodb: MongoDB) -> None:
    with client(f"mongodb://{mongodb.address()}") as mongo, pytest.raises(OperationFailure, match="authentication"):
        mongo["test"]["things"].find_one()
    wrong = mongodb.uri().replace(mongodb.password, "wrong")
    with client(wrong) as mongo, pytest.raises(OperationFailure, match="authentication failed"):
        mongo["test"]["things"].find_one()


def test_roles_are_enforced(mongodb: MongoDB) -> None:
    with client(mongodb.uri()) as mongo:
        mongo.admin.command("createUser", "reader", pwd="secret", roles=[{"role": "read", "db": "shop"}])
    with client(f"mongodb://reader:secret@{mongodb.address()}") as reader:
        assert reader["shop"]["orders"].find_one() is None
        with pytest.raises(OperationFailure, match="not authorized"):
            reader["shop"]["orders"].insert_one({})


def test_one_server_stops_and_starts_while_the_others_go_on(mongodb: MongoDB) -> None:
    with client(mongodb.uri(2)) as mongo:
        mongo["test_kept"]["things"].insert_one({"_id": 1})
    mongodb.stop_one(2)
    assert "refused" in refusal(mongodb.uri(2))
    with client(mongodb.uri(0)) as mongo:
        assert mongo.admin.command("ping")["ok"] == 1
    mongodb.start_one(2)
    with client(mongodb.uri(2)) as mongo:
        assert mongo["test_kept"]["things"].find_one() == {"_id": 1}
        mongo.drop_database("test_kept")


def test_a_client_needs_its_certificate_and_trusts_no_other(certificate_authority: CertificateAuthority) -> None:
    ca = certificate_authority
    server = ServerTls(ca.issue("server"), client_ca=ca.cert)
    with MongoDB.start(tls=server) as mongodb:
        own = str(ca.issue("client").both)
        with client(mongodb.uri(), tlsCAFile=str(ca.cert), tlsCertificateKeyFile=own) as mongo:
            assert mongo["test"]["things"].find_one() is None
        assert "CERTIFICATE_VERIFY_FAILED" in refusal(mongodb.uri(), tlsCertificateKeyFile=own)
        assert refusal(mongodb.uri(), tlsCAFile=str(ca.cert))


def test_a_restarted_process_has_its_ports_and_a_stopped_one_leaves_nothing() -> None:
    with MongoDB.start(2) as mongodb:
        ports = mongodb.ports
        mongodb.kill()
        assert "refused" in refusal(mongodb.uri(1))
        mongodb.restart()
        assert mongodb.ports == ports
        with client(mongodb.uri(1)) as mongo:
            assert mongo["test"]["things"].find_one() is None
    assert processes_with(str(mongodb.folder)) == []
    assert not mongodb.folder.exists()
