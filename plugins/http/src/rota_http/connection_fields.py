"""The fields with which a flow says how a server is reached, documented once for all types."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Secret, SecretStr, model_validator

from rota import Duration


def reveal(value: Any) -> Any:
    """Return `value` with its secrets in the clear, for what is sent and for nothing else."""
    if isinstance(value, (SecretStr, Secret)):
        return reveal(value.get_secret_value())
    if isinstance(value, dict):
        return {name: reveal(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [reveal(item) for item in value]
    return value


def _text(value: Any) -> Any:
    """Take numbers and booleans for text: `X-Count: 3` is what people write."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else value


def _checked_url(url: SecretStr | str) -> SecretStr | str:
    try:
        parts = urlsplit(reveal(url))
        known = parts.scheme.lower() in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise ValueError("a URL starts with `https://` or `http://` and names a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("no login in a URL, where it would be shown: give `user` and `password`")
    return url


HeaderText = Annotated[SecretStr, BeforeValidator(_text)]
Scalar = SecretStr | str | bool | int | float | None
Url = Annotated[str | SecretStr, AfterValidator(_checked_url)]


class OAuth2(BaseModel):
    """A token that the server's authority gives for client credentials (RFC 6749, 4.4)."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)

    token_url: Url
    """Where tokens are given."""
    client_id: str = Field(min_length=1)
    """Who asks."""
    client_secret: SecretStr
    """The secret of `client_id`."""
    scope: str | None = None
    """What the token is to allow, separated by spaces."""
    audience: str | None = None
    """Whom the token is for, where the authority wants to know."""
    send_credentials: Literal["header", "body"] = "header"
    """Where the authority expects id and secret: as a basic login, or in the form."""


class ConnectionFields(BaseModel):
    """Where the server is, who asks, how the server proves who it is, and how long to wait."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)

    url: Url
    """The address: `https://…` or `http://…`, without a login in it."""
    params: dict[str, Scalar | list[Scalar]] = Field(default_factory=dict)
    """Added to the query of the URL; a list gives its name several times."""
    headers: dict[str, HeaderText] = Field(default_factory=dict)
    """Headers to send. They are kept as secrets, and not sent on to another host by a redirect."""
    user: str | None = Field(default=None, min_length=1)
    """Who logs in, by basic authentication."""
    password: SecretStr | None = None
    """The password of `user`."""
    token: SecretStr | None = None
    """A bearer token."""
    oauth2: OAuth2 | None = None
    """Get a bearer token for client credentials; it is shared by the tasks of an execution and renewed in time."""
    server_certificate: Literal["verify", "accept_any_insecure"] = "verify"
    """`accept_any_insecure` talks to whoever answers: somebody in the middle can read and change everything."""
    ca: str | None = Field(default=None, min_length=1)
    """Certificates to trust instead of the system's, as text in PEM."""
    ca_file: Path | None = None
    """Certificates to trust instead of the system's: a file in PEM where Rota runs."""
    client_certificate: str | None = Field(default=None, min_length=1)
    """The certificate to show to the server, as text in PEM, with those between it and its authority."""
    client_certificate_file: Path | None = None
    """The certificate to show to the server: a file in PEM where Rota runs, which may hold the key, too."""
    client_key: SecretStr | None = None
    """The private key of the client's certificate, as text in PEM."""
    client_key_file: Path | None = None
    """The private key of the client's certificate: a file in PEM where Rota runs."""
    client_key_password: SecretStr | None = None
    """What the private key is encrypted with."""
    proxy: str | SecretStr = "environment"
    """The proxy to go through: `http://user:password@host:port`, `https://…`, or `socks5://…` (install
    `rota-http[socks]`). `environment` does as HTTPS_PROXY, HTTP_PROXY and NO_PROXY say; `none` goes there directly."""
    redirects: int = Field(default=5, ge=0, le=50)
    """How many redirects to follow. One from https to http is refused."""
    connect_timeout: Duration = timedelta(seconds=10)
    """How long connecting may take: looking the name up, the connection, TLS."""
    read_timeout: Duration = timedelta(seconds=60)
    """How long the server may be silent, or take nothing, in the middle of an exchange."""
    total_timeout: Duration | None = None
    """How long one exchange may take from its start to the last byte. Default: no limit but the task's `timeout`."""

    @model_validator(mode="after")
    def _is_clear(self) -> ConnectionFields:
        logins = {"user": self.user, "token": self.token, "oauth2": self.oauth2}
        given = [name for name, value in logins.items() if value is not None]
        if len(given) > 1:
            raise ValueError(f"either `{'` or `'.join(given)}`, not both")
        if self.password is not None and self.user is None:
            raise ValueError("`password` needs `user`")
        for name in ("ca", "client_certificate", "client_key"):
            if getattr(self, name) is not None and getattr(self, f"{name}_file") is not None:
                raise ValueError(f"either `{name}` or `{name}_file`, not both")
        if (self.client_key or self.client_key_file) and not (self.client_certificate or self.client_certificate_file):
            raise ValueError("a client's key needs its certificate: `client_certificate` or `client_certificate_file`")
        proxy = reveal(self.proxy)
        if proxy not in {"environment", "none"} and urlsplit(proxy).scheme not in {"http", "https", "socks5"}:
            raise ValueError("`proxy` is `environment`, `none`, or starts with `http://`, `https://` or `socks5://`")
        return self
