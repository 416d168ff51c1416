"""Task types `vault.sign_ssh_key` and `vault.issue_certificate`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from rota import Context, Duration
from rota_vault.task import VaultTask

_OUTPUT = ConfigDict(use_attribute_docstrings=True)


class SignedKey(BaseModel):
    """A certificate for an SSH key."""

    model_config = _OUTPUT

    signed_key: str
    """The certificate, as `ssh.command` takes it in `certificate`."""
    serial_number: str
    """Its serial number."""


class IssuedCertificate(BaseModel):
    """A certificate with its key."""

    model_config = _OUTPUT

    certificate: str
    """The certificate, in PEM."""
    private_key: SecretStr
    """Its private key, in PEM."""
    issuing_ca: str
    """The certificate of the authority, in PEM."""
    ca_chain: list[str]
    """The certificates above it, in PEM."""
    serial_number: str
    """Its serial number."""
    expires: datetime | None
    """When it ends."""


class SignSshKey(VaultTask):
    """Have Vault's SSH authority sign a public key.

    Example:
        - id: certificate
          type: vault.sign_ssh_key
          url: https://vault.bank.internal:8200
          token: "{{ secret('vault#token') }}"
          role: operator
          public_key: "{{ secret('ssh/backup#public_key') }}"
          principals: [backup]
          ttl: 30m
    """

    role: str = Field(pattern=r"^[^/?#\s]+$")
    """The role of the engine."""
    public_key: str = Field(min_length=1)
    """The public key, in OpenSSH's format."""
    principals: list[str] = Field(default_factory=list)
    """For which logins (or hosts) it is good. Default: what the role says."""
    certificate_type: Literal["user", "host"] = "user"
    """For users or for hosts."""
    extensions: dict[str, str] = Field(default_factory=dict)
    """What it allows, such as `permit-pty: ""`. Default: what the role says."""
    ttl: Duration | None = None
    """How long it is good. Default: what the role says."""
    mount: str = "ssh"
    """Where the engine is mounted."""

    def run(self, ctx: Context) -> SignedKey:
        body: dict[str, Any] = {"public_key": self.public_key, "cert_type": self.certificate_type}
        body |= {"valid_principals": ",".join(self.principals)} if self.principals else {}
        body |= {"extensions": self.extensions} if self.extensions else {}
        body |= {"ttl": f"{self.ttl.total_seconds():.0f}s"} if self.ttl is not None else {}
        data = self.ask(ctx, "post", f"{self.mount.strip('/')}/sign/{self.role}", body)["data"]
        return SignedKey(signed_key=data["signed_key"].strip(), serial_number=data["serial_number"])


class IssueCertificate(VaultTask):
    """Have Vault's PKI issue a certificate with a new key.

    Example:
        - id: certificate
          type: vault.issue_certificate
          url: https://vault.bank.internal:8200
          token: "{{ secret('vault#token') }}"
          role: server
          common_name: db-01.bank.internal
          alt_names: [db-01]
          ttl: 30d
    """

    role: str = Field(pattern=r"^[^/?#\s]+$")
    """The role of the engine."""
    common_name: str = Field(min_length=1)
    """The name that it is for."""
    alt_names: list[str] = Field(default_factory=list)
    """Other names that it is for."""
    ip_addresses: list[str] = Field(default_factory=list)
    """Addresses that it is for."""
    ttl: Duration | None = None
    """How long it is good. Default: what the role says."""
    mount: str = "pki"
    """Where the engine is mounted."""

    def run(self, ctx: Context) -> IssuedCertificate:
        body: dict[str, Any] = {"common_name": self.common_name}
        body |= {"alt_names": ",".join(self.alt_names)} if self.alt_names else {}
        body |= {"ip_sans": ",".join(self.ip_addresses)} if self.ip_addresses else {}
        body |= {"ttl": f"{self.ttl.total_seconds():.0f}s"} if self.ttl is not None else {}
        data = self.ask(ctx, "post", f"{self.mount.strip('/')}/issue/{self.role}", body)["data"]
        ends = data.get("expiration")
        return IssuedCertificate(
            certificate=data["certificate"],
            private_key=SecretStr(data["private_key"]),
            issuing_ca=data.get("issuing_ca", ""),
            ca_chain=data.get("ca_chain") or [],
            serial_number=data["serial_number"],
            expires=datetime.fromtimestamp(ends, UTC) if ends else None,
        )
