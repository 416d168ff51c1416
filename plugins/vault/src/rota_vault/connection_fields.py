"""The fields that say how Vault is reached and who logs in, documented once for all types."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, Secret, SecretStr, field_validator, model_validator

from rota import Duration

_CONFIG = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)


def reveal(value: Any) -> Any:
    """Return `value` with its secrets in the clear, for what is sent to Vault and for nothing else."""
    if isinstance(value, (SecretStr, Secret)):
        return reveal(value.get_secret_value())
    if isinstance(value, dict):
        return {name: reveal(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [reveal(item) for item in value]
    return value


class AppRole(BaseModel):
    """The login of a program."""

    model_config = _CONFIG

    role_id: str = Field(min_length=1)
    """The id of the role."""
    secret_id: SecretStr | None = None
    """The secret that belongs to it, where the role wants one."""
    mount: str = "approle"
    """Where the method is mounted."""


class Kubernetes(BaseModel):
    """The login of a pod, by the token of its service account."""

    model_config = _CONFIG

    role: str = Field(min_length=1)
    """The role at Vault."""
    token_file: Path = Path("/var/run/secrets/kubernetes.io/serviceaccount/token")
    """The file that holds the token; it is read at every login."""
    mount: str = "kubernetes"
    """Where the method is mounted."""


class Jwt(BaseModel):
    """The login by a signed token, such as a CI server gives."""

    model_config = _CONFIG

    role: str | None = None
    """The role at Vault; default: what the method's settings say."""
    jwt: SecretStr | None = None
    """The token."""
    jwt_file: Path | None = None
    """The file that holds the token; it is read at every login."""
    mount: str = "jwt"
    """Where the method is mounted."""

    @model_validator(mode="after")
    def _has_one_token(self) -> Jwt:
        if (self.jwt is None) == (self.jwt_file is None):
            raise ValueError("either `jwt` or `jwt_file`")
        return self


class Tls(BaseModel):
    """The login by the client's certificate."""

    model_config = _CONFIG

    role: str | None = None
    """The role at Vault; default: any that takes the certificate."""
    mount: str = "cert"
    """Where the method is mounted."""


class ConnectionFields(BaseModel):
    """Where Vault is, who logs in, how Vault proves who it is, and how long to wait."""

    model_config = _CONFIG

    url: str
    """Where Vault is: `https://vault.bank.internal:8200`."""
    namespace: str | None = Field(default=None, min_length=1)
    """The namespace of Vault Enterprise or OpenBao: `bank/data`."""
    token: SecretStr | None = None
    """A token; it is renewed while it is used, where that is possible."""
    approle: AppRole | None = None
    """Log in as a program."""
    kubernetes: Kubernetes | None = None
    """Log in as a pod."""
    jwt: Jwt | None = None
    """Log in by a signed token."""
    tls: Tls | None = None
    """Log in by the client's certificate."""
    server_certificate: Literal["verify", "accept_any_insecure"] = "verify"
    """`accept_any_insecure` talks to whoever answers: somebody in the middle can read and change every secret."""
    ca_file: Path | None = None
    """Certificates to trust, in PEM. Default: those that `requests` brings."""
    client_certificate_file: Path | None = None
    """The certificate to show to Vault, in PEM; it may hold the key, too."""
    client_key_file: Path | None = None
    """The private key of the client's certificate, in PEM and not encrypted."""
    connect_timeout: Duration = timedelta(seconds=5)
    """How long connecting may take."""
    operation_timeout: Duration = timedelta(seconds=20)
    """How long Vault may take to answer."""

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        if re.fullmatch(r"https?://[^/@\s]+/?", url) is None:
            raise ValueError("write it like `https://vault.bank.internal:8200`, without a path and without a login")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _has_one_login(self) -> ConnectionFields:
        names = ("token", "approle", "kubernetes", "jwt", "tls")
        if sum(getattr(self, name) is not None for name in names) != 1:
            raise ValueError(f"give one login of `{'`, `'.join(names)}`")
        if self.tls is not None and self.client_certificate_file is None:
            raise ValueError("`tls` needs `client_certificate_file`")
        return self


def connection_of(fields: ConnectionFields) -> ConnectionFields:
    """Return the connection alone of a task's fields: two with equal ones share a client."""
    return ConnectionFields.model_construct(**{name: getattr(fields, name) for name in ConnectionFields.model_fields})
