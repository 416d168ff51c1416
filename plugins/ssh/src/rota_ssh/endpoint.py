"""A host with everything that is needed to reach it, made from a task's fields and the SSH configuration."""

from __future__ import annotations

import getpass
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from rota import TaskFailed
from rota_ssh.connection_fields import ConnectionFields, HostFields, JumpHost
from rota_ssh.ssh_config import SshConfig


@dataclass(frozen=True, slots=True)
class Credentials:
    """What to log in with, tried in this order: private keys, the agent, the password."""

    private_key: SecretStr | None = None
    key_files: tuple[Path, ...] = ()
    passphrase: SecretStr | None = None
    certificate: str | None = None
    certificate_files: tuple[Path, ...] = ()
    password: SecretStr | None = None
    agent: bool = False

    def __bool__(self) -> bool:
        return bool(self.private_key or self.key_files or self.password or self.agent)


@dataclass(frozen=True, slots=True)
class HostKeyPolicy:
    """How a host proves who it is. `name` is what it is called in `known_hosts`."""

    mode: Literal["verify", "accept_any_insecure"]
    name: str
    known_hosts: str | None = None
    fingerprints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a connection leads: two with equal endpoints are the same. Times are in seconds."""

    host: str
    port: int
    user: str
    credentials: Credentials
    host_key: HostKeyPolicy
    keepalive: float
    connect_timeout: float
    auth_timeout: float
    operation_timeout: float
    through: Endpoint | None = None

    @property
    def address(self) -> str:
        """Host and port, as messages name them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 22 else f"{host}:{self.port}"


def endpoint_of(fields: HostFields) -> Endpoint:
    """Return where `fields` lead, jump hosts included. Raises TaskFailed for what cannot be."""
    config = SshConfig.read(fields.ssh_config)
    jumps = list(fields.jump) or [JumpHost.model_validate(text) for text in config.jumps(fields.host)]
    through: Endpoint | None = None
    for jump in jumps:
        through = _endpoint(_with_credentials(jump, fields), jump.host, fields, config, through)
    return _endpoint(fields, fields.host, fields, config, through)


def _endpoint(
    own: ConnectionFields, host: str, task: HostFields, config: SshConfig, through: Endpoint | None
) -> Endpoint:
    settings = config.of(host)
    credentials = _credentials(own)
    if not credentials:
        credentials = replace(
            credentials, key_files=settings.key_files, certificate_files=settings.certificate_files or ()
        )
    address = settings.address or host
    port = own.port or settings.port or 22
    if not credentials:
        raise TaskFailed(
            f"there is nothing to log in to `{host}` with",
            retryable=False,
            hint="give `private_key`, `private_key_file`, `password` or `agent: true`",
        )
    return Endpoint(
        host=address,
        port=port,
        user=own.user or settings.user or task.user or getpass.getuser(),
        credentials=credentials,
        host_key=_policy(own, _known_as(settings.key_alias, address, port), settings.known_hosts),
        keepalive=task.keepalive.total_seconds(),
        connect_timeout=task.connect_timeout.total_seconds(),
        auth_timeout=task.auth_timeout.total_seconds(),
        operation_timeout=task.operation_timeout.total_seconds(),
        through=through,
    )


def _with_credentials(jump: JumpHost, task: HostFields) -> ConnectionFields:
    """Return the jump host's fields, with the task's credentials and host keys where it has none."""
    names: list[str] = []
    if not jump.has_credentials:
        names += ["private_key", "private_key_file", "passphrase", "certificate", "certificate_file"]
        names += ["password", "agent"]
    if jump.known_hosts is None and not jump.host_key_fingerprint:
        names.append("known_hosts")
        if "host_key" not in jump.model_fields_set:
            names.append("host_key")
    return jump.model_copy(update={name: getattr(task, name) for name in names})


def _credentials(own: ConnectionFields) -> Credentials:
    return Credentials(
        private_key=own.private_key,
        key_files=(own.private_key_file.expanduser(),) if own.private_key_file else (),
        passphrase=own.passphrase,
        certificate=own.certificate,
        certificate_files=(own.certificate_file.expanduser(),) if own.certificate_file else (),
        password=own.password,
        agent=own.agent,
    )


def _policy(own: ConnectionFields, name: str, configured: str | None) -> HostKeyPolicy:
    return HostKeyPolicy(own.host_key, name, own.known_hosts or configured, tuple(own.host_key_fingerprint))


def _known_as(alias: str | None, host: str, port: int) -> str:
    """Return the name of a host in `known_hosts`, as OpenSSH makes it."""
    if alias is not None:
        return alias
    return host.lower() if port == 22 else f"[{host.lower()}]:{port}"
