"""The fields that say which MongoDB is meant and who asks; every task type and trigger of the plugin has them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from rota import Duration, Task
from rota_mongo.uri import split_uri

Roles = Literal["primary", "primary_preferred", "secondary", "secondary_preferred", "nearest"]
Mechanism = Literal["scram", "scram_sha_1", "scram_sha_256", "x509", "ldap", "aws"]


def revealed(value: str | SecretStr | None) -> str | None:
    """Return the text of what may be a secret."""
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _checked_uri(uri: str | SecretStr) -> str | SecretStr:
    text = revealed(uri) or ""
    if not text.startswith(("mongodb://", "mongodb+srv://")):
        raise ValueError("`uri` starts with `mongodb://` or `mongodb+srv://`")
    return SecretStr(text) if "@" in text or split_uri(text).secrets() else uri


def _checked_pem(value: str | SecretStr) -> str | SecretStr:
    return SecretStr(value) if isinstance(value, str) and "-----BEGIN" in value else value


Uri = Annotated[str | SecretStr, AfterValidator(_checked_uri)]
PemOrPath = Annotated[str | SecretStr, AfterValidator(_checked_pem)]


class Connection(BaseModel):
    """Where a MongoDB is and how to log in: `uri`, or `host`; what is given beside a `uri` wins over it."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, defer_build=True, hide_input_in_errors=True
    )

    uri: Uri | None = None
    """Connection string, `mongodb://…` or `mongodb+srv://…`; a secret where it holds a login."""
    host: str | list[str] | None = None
    """Name or address of the server, or several of one replica set; each may end in `:port`."""
    port: int = Field(default=27017, ge=1, le=65535)
    """Port of the hosts that name none."""
    replica_set: str | None = None
    """Name of the replica set; its members are then found from any one of them."""
    direct: bool | None = None
    """Talk to this one server only, whatever it is in its replica set. Default: as MongoDB's drivers do."""
    user: str | None = None
    """User name. For `x509` it may be left out: the certificate says it."""
    password: SecretStr | None = None
    """Password of the user."""
    auth_database: str | None = None
    """Database that the user belongs to. Default: `admin`, and `$external` for `x509`, `ldap` and `aws`."""
    auth: Mechanism | None = None
    """How to log in. Default: SCRAM, the strongest that both sides know. `ldap` is PLAIN, which needs TLS."""
    aws_session_token: SecretStr | None = None
    """Session token of temporary AWS credentials; `user` and `password` are the access key and its secret."""
    tls: bool | None = None
    """Whether to use TLS. Default: as the `uri` says, and when a certificate is given."""
    tls_ca: str | None = None
    """Certificates of the authorities to trust: PEM text, or the path of a file. Default: the system's."""
    tls_certificate: PemOrPath | None = None
    """The client's certificate and private key: PEM text of both, or the path of a file with both."""
    tls_certificate_password: SecretStr | None = None
    """Password of the client's private key."""
    tls_allow_invalid_certificates: bool = False
    """Take any certificate: whoever stands in between can read and change everything."""
    tls_allow_invalid_hostnames: bool = False
    """Take a certificate that was issued for another host."""
    connect_timeout: Duration = Field(default=timedelta(seconds=10), gt=timedelta(0))
    """How long one connection may take to open."""
    selection_timeout: Duration = Field(default=timedelta(seconds=30), gt=timedelta(0))
    """How long to look for a server that can do it, elections included."""
    operation_timeout: Duration | None = Field(default=None, gt=timedelta(0))
    """How long all that is asked of the server may take; the server ends it then. Default: the task's `timeout`."""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if (self.uri is None) == (self.host is None):
            raise ValueError("give `uri` or `host`, and not both")
        if self.host is not None and not all([self.host] if isinstance(self.host, str) else self.host or [""]):
            raise ValueError("`host` is empty")
        if self.auth == "ldap" and self.uri is None and not (self.user and self.password):
            raise ValueError("`auth: ldap` needs `user` and `password`")
        if self.auth == "ldap" and self.tls is False:
            raise ValueError("`auth: ldap` sends the password as it is and needs TLS")
        if self.auth == "x509" and self.tls_certificate is None and self.uri is None:
            raise ValueError("`auth: x509` needs `tls_certificate`")
        if self.password is not None and self.user is None and self.uri is None:
            raise ValueError("`password` needs `user`")
        return self

    @property
    def uri_text(self) -> str:
        """The connection string in the clear, for who connects; empty where there is none."""
        return revealed(self.uri) or ""

    def connection_key(self) -> tuple[Any, ...]:
        """Return what makes two clients different, credentials too, for `ctx.client`."""
        values = (getattr(self, name) for name in Connection.model_fields if name != "operation_timeout")
        return ("mongo", *(tuple(value) if isinstance(value, list) else value for value in values))

    def place(self) -> str:
        """Return the hosts, as messages name them: never a password."""
        if self.host is None:
            return split_uri(self.uri_text).hosts
        return self.host if isinstance(self.host, str) else ",".join(self.host)


class MongoTask(Connection, Task):
    """A task that talks to a MongoDB."""


class CollectionTask(MongoTask):
    """A task on one collection."""

    database: str = Field(min_length=1, max_length=63)
    """The database."""
    collection: str = Field(min_length=1)
    """The collection."""

    @property
    def namespace(self) -> str:
        """The collection's full name, for messages."""
        return f"{self.database}.{self.collection}"


class WriteTask(CollectionTask):
    """A task that changes a collection."""

    write_concern: int | str | None = Field(default=None)
    """Wait until so many members have it: a number from 1, `majority`, or a tag. Default: as the cluster is set."""
    journal: bool | None = None
    """Wait until it is in the journal on disk."""

    @model_validator(mode="after")
    def _is_acknowledged(self) -> Self:
        if isinstance(self.write_concern, int) and self.write_concern < 1:
            raise ValueError("`write_concern` is at least 1: a task that is not told of a failure cannot fail")
        return self
