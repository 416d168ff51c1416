"""Tests of connecting: logins, certificates, time-outs, and what messages say of them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from plugins.mongo.tests.ldap import plain_server
from pydantic import ValidationError
from tests.lab.certificates import ServerTls
from tests.lab.mongodb import MongoDB
from tests.lab.ports import listening_socket

from rota import TaskFailed
from rota.testing import RecordedContext
from rota_mongo.commands import Command
from rota_mongo.connection import Connection
from rota_mongo.reading import Find

if TYPE_CHECKING:
    from tests.lab.certificates import CertificateAuthority
    from tests.lab.silence import Silence


def ping(**connection: Any) -> Command:
    return Command(command="ping", **{"selection_timeout": "2s", **connection})


def failure(ctx: RecordedContext, **connection: Any) -> TaskFailed:
    with pytest.raises(TaskFailed) as raised:
        ping(**connection).run(ctx)
    return raised.value


def parts(mongodb: MongoDB, **more: Any) -> dict[str, Any]:
    """The connection as fields, with no `uri`."""
    port = mongodb.ports[0]
    return {"host": "127.0.0.1", "port": port, "user": mongodb.user, "password": mongodb.password, **more}


def test_a_host_with_a_login_does_as_well_as_a_uri(ctx: RecordedContext, mongodb: MongoDB) -> None:
    assert ping(**parts(mongodb)).run(ctx).reply == {"ok": 1.0}
    assert ping(uri=mongodb.uri()).run(ctx).reply == {"ok": 1.0}
    assert ping(**parts(mongodb, host=[mongodb.address()], port=1, auth="scram_sha_256")).run(ctx).reply == {"ok": 1.0}


def test_a_field_wins_over_the_uri(ctx: RecordedContext, mongodb: MongoDB) -> None:
    bare = f"mongodb://somebody:wrong-secret@{mongodb.address()}/?connectTimeoutMS=1"
    assert ping(uri=bare, user=mongodb.user, password=mongodb.password).run(ctx).reply == {"ok": 1.0}


def test_a_wrong_password_is_told_and_no_retry_helps(ctx: RecordedContext, mongodb: MongoDB) -> None:
    error = failure(ctx, **parts(mongodb, password="not-the-password"))
    assert f"`127.0.0.1` refuses the login of `{mongodb.user}`" in error.message
    assert error.retryable is False
    assert "not-the-password" not in str(error)


def test_a_login_that_is_missing_is_told(ctx: RecordedContext, mongodb: MongoDB) -> None:
    with pytest.raises(TaskFailed, match="the login may not do this") as raised:
        Find(uri=f"mongodb://{mongodb.address()}", database="shop", collection="orders").run(ctx)
    assert raised.value.retryable is False


def test_a_closed_port_is_told_and_a_retry_may_help(ctx: RecordedContext) -> None:
    with listening_socket() as unused:
        port = unused.getsockname()[1]
    error = failure(ctx, host="127.0.0.1", port=port, selection_timeout="300ms")
    assert "`127.0.0.1` refuses connections" in error.message
    assert error.retryable is None


def test_a_server_that_never_answers_is_a_timeout(ctx: RecordedContext, silence: Silence) -> None:
    error = failure(ctx, host="127.0.0.1", port=silence.port, selection_timeout="500ms", connect_timeout="200ms")
    assert "did not answer in time" in error.message
    assert error.retryable is None


def test_an_unknown_name_is_told(ctx: RecordedContext) -> None:
    error = failure(ctx, host="nobody.invalid", selection_timeout="1500ms")
    assert "the name of `nobody.invalid` is not known" in error.message


def test_a_server_killed_in_the_middle_is_a_broken_connection_and_comes_back(ctx: RecordedContext) -> None:
    with MongoDB.start() as mongodb:
        task = ping(**parts(mongodb, selection_timeout="700ms"))
        task.run(ctx)
        mongodb.kill()
        with pytest.raises(TaskFailed, match=r"refuses connections|broke") as raised:
            task.run(ctx)
        assert raised.value.retryable is None
        mongodb.restart()
        # The same client of the execution finds it again.
        assert ping(**parts(mongodb, selection_timeout="700ms")).run(ctx).reply == {"ok": 1.0}


def test_a_frozen_server_ends_with_the_operation_timeout(ctx: RecordedContext) -> None:
    with MongoDB.start() as mongodb:
        ping(**parts(mongodb)).run(ctx)
        mongodb.freeze()
        error = failure(ctx, **parts(mongodb, operation_timeout="500ms"))
        mongodb.thaw()
    assert "did not answer in time" in error.message
    assert error.retryable is None


def test_tasks_of_an_execution_share_one_client(ctx: RecordedContext, mongodb: MongoDB) -> None:
    from rota_mongo import client, operation

    opened = []
    original = client.open_live

    def counting(connection: Connection) -> Any:
        opened.append(connection)
        return original(connection)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(operation, "open_live", counting)
        tasks = [ping(uri=mongodb.uri(), operation_timeout="10s"), ping(uri=mongodb.uri())] * 4
        threads = [threading.Thread(target=task.run, args=(ctx,)) for task in tasks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(opened) == 1


def test_the_own_authority_is_trusted_as_a_file_and_as_text(
    ctx: RecordedContext, certificate_authority: CertificateAuthority
) -> None:
    ca = certificate_authority
    with MongoDB.start(tls=ServerTls(ca.issue("server"))) as mongodb:
        assert ping(**parts(mongodb, tls_ca=str(ca.cert))).run(ctx).reply == {"ok": 1.0}
        assert ping(**parts(mongodb, tls_ca=ca.cert.read_text())).run(ctx).reply == {"ok": 1.0}
        assert ping(**parts(mongodb, tls=True, tls_allow_invalid_certificates=True)).run(ctx).reply == {"ok": 1.0}
        error = failure(ctx, **parts(mongodb, tls=True, selection_timeout="1500ms"))
        assert "the certificate of `127.0.0.1` is refused" in error.message
        assert error.retryable is False


@pytest.mark.parametrize(
    ("kind", "why"), [("expired", "expired"), ("self-signed", "self.signed"), ("host", "match|mismatch")]
)
def test_a_bad_certificate_is_refused_and_no_retry_helps(
    ctx: RecordedContext, certificate_authority: CertificateAuthority, kind: str, why: str
) -> None:
    ca = certificate_authority
    certificate = {
        "expired": lambda: ca.issue("server", expired=True),
        "self-signed": lambda: ca.self_signed("server"),
        "host": lambda: ca.issue("server", hosts=("db.elsewhere",)),
    }[kind]()
    with MongoDB.start(tls=ServerTls(certificate)) as mongodb:
        with pytest.raises(TaskFailed, match=why) as raised:
            ping(**parts(mongodb, tls_ca=str(ca.cert), selection_timeout="1500ms")).run(ctx)
        if kind == "host":
            lax = parts(mongodb, tls_ca=str(ca.cert), tls_allow_invalid_hostnames=True)
            assert ping(**lax).run(ctx).reply == {"ok": 1.0}
    assert raised.value.retryable is False


def test_a_client_certificate_opens_the_door_and_logs_in_by_x509(
    ctx: RecordedContext, certificate_authority: CertificateAuthority
) -> None:
    from pymongo import MongoClient

    ca = certificate_authority
    own, stranger = ca.issue("rota-client"), ca.issue("stranger")
    with MongoDB.start(tls=ServerTls(ca.issue("server"), client_ca=ca.cert)) as mongodb:
        with MongoClient[Any](mongodb.uri(), tlsCAFile=str(ca.cert), tlsCertificateKeyFile=str(own.both)) as admin:
            roles = [{"role": "readAnyDatabase", "db": "admin"}]
            admin["$external"].command("createUser", "CN=rota-client", roles=roles, mechanisms=["MONGODB-X509"])
        where = {"host": "127.0.0.1", "port": mongodb.ports[0], "tls_ca": str(ca.cert)}
        text = own.both.read_text()
        found = Find(**where, tls_certificate=text, auth="x509", database="shop", collection="orders").run(ctx)
        assert found.count == 0
        error = failure(ctx, **where, tls_certificate=str(stranger.both), auth="x509")
        assert "refuses the login" in error.message
        assert error.retryable is False
        assert "TLS" in str(failure(ctx, **parts(mongodb, tls_ca=str(ca.cert), selection_timeout="1500ms")))
        task = ping(**where, tls_certificate=text, auth="x509")
        assert "PRIVATE KEY" not in repr(task)


def test_ldap_logs_in_by_plain_over_tls(ctx: RecordedContext, certificate_authority: CertificateAuthority) -> None:
    ca = certificate_authority
    certificate = ca.issue("server")
    with plain_server({"anna": "pass word"}, str(certificate.cert), str(certificate.key)) as server:
        where = {"host": "127.0.0.1", "port": server.port, "tls_ca": str(ca.cert), "auth": "ldap", "user": "anna"}
        assert ping(**where, password="pass word").run(ctx).reply == {"ok": 1}
        assert set(server.logins) == {("anna", "$external")}
        error = failure(ctx, **where, password="wrong one")
        assert "refuses the login of `anna`" in error.message
        assert error.retryable is False


def test_aws_without_its_package_says_what_to_install(
    ctx: RecordedContext, mongodb: MongoDB, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pymongo_auth_aws", None)
    error = failure(ctx, **parts(mongodb, auth="aws", user="key-id", password="key-secret", aws_session_token="tok-1"))
    assert error.hint == "pip install 'rota-mongo[aws]'"
    assert error.retryable is False


def test_aws_gives_the_driver_key_secret_and_session_token() -> None:
    from rota_mongo.client import open_client

    where = Connection(host="db.invalid", auth="aws", user="key-id", password="key-secret", aws_session_token="tok-1")
    with open_client(where, connect=False) as client:
        credentials = client.options.pool_options._credentials
    assert credentials is not None
    assert (credentials.mechanism, credentials.source) == ("MONGODB-AWS", "$external")
    assert (credentials.username, credentials.password) == ("key-id", "key-secret")
    assert credentials.mechanism_properties.aws_session_token == "tok-1"


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "give `uri` or `host`"),
        ({"uri": "mongodb://a", "host": "b"}, "and not both"),
        ({"uri": "postgres://a"}, "starts with"),
        ({"host": ""}, "`host` is empty"),
        ({"host": []}, "`host` is empty"),
        ({"host": "a", "password": "secret"}, "needs `user`"),
        ({"host": "a", "auth": "x509"}, "needs `tls_certificate`"),
        ({"host": "a", "auth": "ldap"}, "needs `user` and `password`"),
        ({"host": "a", "auth": "ldap", "user": "b", "password": "c", "tls": False}, "needs TLS"),
        ({"host": "a", "connect_timeout": 0}, "greater than 0"),
    ],
)
def test_fields_that_do_not_go_together_are_refused(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Connection(**fields)


def test_a_uri_that_is_none_is_told_without_its_password(ctx: RecordedContext) -> None:
    for uri in ("mongodb://me:s3cr/et-word@host", "mongodb://me:s3cret-word@host:port", "mongodb://me:s3cret-word@"):
        error = failure(ctx, uri=uri)
        assert error.retryable is False, uri
        assert "cret-word" not in str(error)
        assert "s3cr" not in str(error)


def test_no_secret_is_in_the_repr() -> None:
    where = Connection(
        uri="mongodb://me:in-the-uri@host", password="in-a-field", user="me",
        tls_certificate="-----BEGIN PRIVATE KEY-----in-the-key", tls_certificate_password="of-the-key",
        aws_session_token="of-aws",
    )  # fmt: skip
    assert not [
        text for text in ("in-the-uri", "in-a-field", "in-the-key", "of-the-key", "of-aws") if text in repr(where)
    ]
    assert where.place() == "host"


def test_a_uri_without_a_login_and_the_path_of_a_certificate_are_no_secrets() -> None:
    where = Connection(uri="mongodb://db-1,db-2/?replicaSet=rs", tls_certificate="/etc/ssl/rota.pem")
    assert "'mongodb://db-1,db-2/?replicaSet=rs'" in repr(where)
    assert "'/etc/ssl/rota.pem'" in repr(where)


def test_a_file_that_cannot_be_read_is_told(ctx: RecordedContext, tmp_path: Path) -> None:
    error = failure(ctx, host="127.0.0.1", tls_ca=str(tmp_path / "none.pem"))
    assert "`tls_ca`" in error.message
    assert error.retryable is False
    secret = failure(ctx, host="127.0.0.1", tls_certificate="not-a-path-but-a-secret")
    assert "not-a-path" not in str(secret)
    (tmp_path / "bad.pem").write_text("-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n")
    assert failure(ctx, host="127.0.0.1", tls_ca=str(tmp_path / "bad.pem")).retryable is False
