"""The fields with which a flow says how a host is reached, documented once for all types."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from rota import Duration

_JUMP = re.compile(r"(?:(?P<user>[^@\s]+)@)?(?P<host>\[[^\]\s]+\]|[^:@\s]+)(?::(?P<port>\d+))?")


def _as_list(value: Any) -> Any:
    return value if isinstance(value, (list, tuple)) else [value]


class ConnectionFields(BaseModel):
    """Who logs in, with what, and how the host proves who it is."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)

    port: int | None = Field(default=None, ge=1, le=65535)
    """Port to connect to; 22 unless the SSH configuration says otherwise."""
    user: str | None = Field(default=None, min_length=1)
    """Who to log in as; default: what the SSH configuration says, else the account that Rota runs under."""
    private_key: SecretStr | None = None
    """The text of a private key, in OpenSSH's format or PEM."""
    private_key_file: Path | None = None
    """The path of a private key where Rota runs."""
    passphrase: SecretStr | None = None
    """What the private key is encrypted with."""
    certificate: str | None = None
    """The text of a certificate for the private key, such as Vault signs."""
    certificate_file: Path | None = None
    """The path of a certificate for the private key where Rota runs."""
    password: SecretStr | None = None
    """The password of `user`; it is also the answer when the host asks for one interactively."""
    agent: bool = False
    """Use the keys of the SSH agent that `SSH_AUTH_SOCK` names where Rota runs."""
    host_key: Literal["verify", "accept_any_insecure"] = "verify"
    """`accept_any_insecure` talks to whoever answers: somebody in the middle can read and change everything."""
    known_hosts: str | None = Field(default=None, min_length=1)
    """A `known_hosts` file, by its path where Rota runs, or its text: `{{ file('known_hosts') }}` for one
    of the flow's `files`. Default: those of the user and of the system."""
    host_key_fingerprint: Annotated[list[str], BeforeValidator(_as_list)] = Field(default=[])
    """The host's key, or keys, as `SHA256:…`, instead of a `known_hosts` file."""

    @model_validator(mode="after")
    def _is_clear(self) -> ConnectionFields:
        if self.private_key is not None and self.private_key_file is not None:
            raise ValueError("either `private_key` or `private_key_file`, not both")
        if self.certificate is not None and self.certificate_file is not None:
            raise ValueError("either `certificate` or `certificate_file`, not both")
        if self.host_key_fingerprint and self.known_hosts is not None:
            raise ValueError("either `known_hosts` or `host_key_fingerprint`, not both")
        for fingerprint in self.host_key_fingerprint:
            if not re.fullmatch(r"SHA256:[A-Za-z0-9+/]{43}=?", fingerprint):
                raise ValueError(
                    f"`{fingerprint[:60]}` is no fingerprint: write it as `ssh-keygen -lf` does, `SHA256:…`"
                )
        return self

    @property
    def has_credentials(self) -> bool:
        """Whether there is anything to log in with."""
        given = (self.private_key, self.private_key_file, self.password)
        return self.agent or any(value is not None for value in given)


class JumpHost(ConnectionFields):
    """A host on the way; `user@host:port` in text, or these fields.

    It takes from the task what it does not say itself: the user, the credentials, the known hosts.
    """

    host: str = Field(min_length=1)
    """Name or address of the jump host."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        match = _JUMP.fullmatch(value.strip())
        if match is None:
            raise ValueError(f"`{value[:80]}` is no jump host: write `user@host:port`")
        given = {name: found for name, found in match.groupdict().items() if found is not None}
        return {**given, "host": given["host"].strip("[]")}


class HostFields(ConnectionFields):
    """The host itself, the way to it, and how long to wait."""

    host: str = Field(min_length=1)
    """Name or address of the host."""
    jump: Annotated[list[JumpHost], BeforeValidator(_as_list)] = Field(default=[])
    """Hosts to go through, the nearest first: `user@host:port`, or the fields of a connection. Each is connected to
    once for all who go through it."""
    ssh_config: bool | Path = False
    """Read `~/.ssh/config` (`true`), or the file with that path: names, ports, users, keys, jump hosts. What a field
    says goes first."""
    keepalive: Duration = timedelta(seconds=15)
    """How often to ask whether the other side is still there; after three times without an answer the connection is
    given up. 0 never asks."""
    connect_timeout: Duration = timedelta(seconds=10)
    """How long connecting may take, until the keys are exchanged."""
    auth_timeout: Duration = timedelta(seconds=30)
    """How long logging in may take."""
    operation_timeout: Duration = timedelta(seconds=60)
    """How long the host may take to answer a single request: to start a command, to open a file, to take or give a
    block of one. How long a command runs is for `timeout` to say."""
