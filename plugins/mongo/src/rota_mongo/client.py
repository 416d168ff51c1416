"""Opens MongoDB clients from the connection fields."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rota import TaskFailed
from rota_mongo.connection import revealed

if TYPE_CHECKING:
    from pymongo import MongoClient

    from rota_mongo.connection import Connection
    from rota_mongo.running import RunningCommands

    Client = MongoClient[dict[str, Any]]

MECHANISMS = {
    "scram": None,
    "scram_sha_1": "SCRAM-SHA-1",
    "scram_sha_256": "SCRAM-SHA-256",
    "x509": "MONGODB-X509",
    "ldap": "PLAIN",
    "aws": "MONGODB-AWS",
}
EXTERNAL = frozenset({"x509", "ldap", "aws"})
"""Mechanisms whose users MongoDB itself does not know."""


@dataclass(frozen=True, slots=True)
class LiveClient:
    """A client, and what runs through it."""

    client: Client
    running: RunningCommands


def open_live(connection: Connection) -> LiveClient:
    """Open the client that the tasks of an execution share."""
    from rota_mongo.running import RunningCommands

    running = RunningCommands()
    return LiveClient(open_client(connection, event_listeners=[running]), running)


def close_live(live: LiveClient) -> None:
    """Close it, without waiting long for a server that is gone: pymongo would tell it of the end of its sessions."""
    import pymongo

    with pymongo.timeout(1):
        live.client.close()


def open_client(connection: Connection, **options: Any) -> Client:
    """Return a client of `connection`; `options` are pymongo's own and win over the fields.

    Raises TaskFailed for files that cannot be read, and what pymongo raises for wrong options.
    """
    from pymongo import MongoClient

    with ExitStack() as files:
        # The files are read while the client is made, so that PEM text need not stay on disk.
        fields = {**_options(connection), **tls_options(connection, files)}
        host = options.pop("host", None) or connection.uri_text or connection.host or ""
        return MongoClient(host, connection.port, **{**fields, **options})


def open_direct(connection: Connection, address: tuple[str, int | None], **options: Any) -> Client:
    """Return a client that talks to the one server at `address`, with the same login."""
    from rota_mongo.uri import UriParts, split_uri

    name = f"[{address[0]}]" if ":" in address[0] else address[0]
    host = f"{name}:{address[1]}" if address[1] else name
    if connection.uri is not None:
        parts = split_uri(connection.uri_text)
        changes = {"directConnection": "true"} | ({"tls": "true"} if parts.scheme.endswith("+srv") else {})
        host = UriParts("mongodb", parts.login, host, parts.database, parts.query).text(**changes)
    return open_client(connection, host=host, directConnection=True, **options)


def _options(connection: Connection) -> dict[str, Any]:
    given: dict[str, Any] = {
        "replicaSet": connection.replica_set,
        "directConnection": connection.direct,
        "username": connection.user,
        "password": connection.password.get_secret_value() if connection.password else None,
        "authSource": connection.auth_database,
        "authMechanism": MECHANISMS[connection.auth] if connection.auth else None,
    }
    if connection.auth in EXTERNAL:
        given["authSource"] = "$external"
    if connection.aws_session_token is not None:
        token = connection.aws_session_token.get_secret_value()
        given["authMechanismProperties"] = {"AWS_SESSION_TOKEN": token}
    return {
        "appname": "rota",
        "tz_aware": True,
        "uuidRepresentation": "standard",
        "datetime_conversion": "DATETIME_AUTO",
        "connectTimeoutMS": milliseconds(connection.connect_timeout.total_seconds()),
        "serverSelectionTimeoutMS": milliseconds(connection.selection_timeout.total_seconds()),
        **{name: value for name, value in given.items() if value is not None},
    }


def milliseconds(seconds: float) -> int:
    """Return whole milliseconds, at least one: zero would mean no limit."""
    return max(1, round(seconds * 1000))


def tls_options(connection: Connection, files: ExitStack) -> dict[str, Any]:
    """Return pymongo's TLS options; PEM text becomes a private file that goes with `files`."""
    options: dict[str, Any] = {}
    wants = (connection.tls_ca, connection.tls_certificate, connection.auth == "x509", connection.auth == "ldap")
    if connection.tls is not None or any(wants):
        options["tls"] = connection.tls is not False
    if connection.tls_ca:
        options["tlsCAFile"] = _pem_file("tls_ca", connection.tls_ca, files)
    if connection.tls_certificate:
        text = revealed(connection.tls_certificate) or ""
        options["tlsCertificateKeyFile"] = _pem_file("tls_certificate", text, files)
    if connection.tls_certificate_password:
        options["tlsCertificateKeyFilePassword"] = connection.tls_certificate_password.get_secret_value()
    if connection.tls_allow_invalid_certificates:
        options["tlsAllowInvalidCertificates"] = True
    if connection.tls_allow_invalid_hostnames:
        options["tlsAllowInvalidHostnames"] = True
    return options


def _pem_file(field: str, value: str, files: ExitStack) -> str:
    if "-----BEGIN" not in value:
        path = Path(value).expanduser()
        if "\n" in value or not os.access(path, os.R_OK) or not path.is_file():
            shown = f" `{value}`" if field == "tls_ca" and "\n" not in value else ""
            raise TaskFailed(f"`{field}`{shown} is neither PEM text nor a file that can be read here", retryable=False)
        return str(path)
    folder = Path(files.enter_context(tempfile.TemporaryDirectory(prefix="rota-mongo-")))  # mode 0700
    path = folder / f"{field}.pem"
    path.touch(mode=0o600)
    path.write_text(value if value.endswith("\n") else f"{value}\n", encoding="utf-8")
    return str(path)
