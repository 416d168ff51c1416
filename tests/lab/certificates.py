"""TLS certificates for the tests: an authority of one's own, and certificates that are good, expired, or nobody's."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LOOPBACK = ("localhost", "127.0.0.1")


@dataclass(frozen=True)
class Certificate:
    """PEM files: `cert`, `key` (mode 0600), and `both` in one file as MongoDB clients want them."""

    cert: Path
    key: Path
    both: Path


@dataclass(frozen=True)
class ServerTls:
    """What a server needs for TLS: its certificate, and the authority of its clients when they must show one too."""

    certificate: Certificate
    client_ca: Path | None = None

    @property
    def files(self) -> dict[str, str]:
        """The paths by name, for a server's configuration: `cert`, `key`, and `client_ca` when clients need one."""
        files = {"cert": str(self.certificate.cert), "key": str(self.certificate.key)}
        return {**files, "client_ca": str(self.client_ca)} if self.client_ca else files


class CertificateAuthority:
    """An authority whose own certificate is the file `cert`."""

    def __init__(self, folder: Path, name: x509.Name, key: ec.EllipticCurvePrivateKey, cert: Path) -> None:
        self.cert = cert
        self._folder, self._name, self._key = folder, name, key

    @classmethod
    def create(cls, folder: Path, name: str = "Rota Lab CA") -> Self:
        """Make an authority; its files go to `folder`, which is made if need be."""
        folder.mkdir(parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name)
        extensions: list[tuple[x509.ExtensionType, bool]] = [
            (x509.BasicConstraints(ca=True, path_length=None), True),
            (_key_usage(signs=True), True),
            (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        ]
        cert = folder / "ca.pem"
        cert.write_bytes(_sign(subject, key, subject, key, extensions, expired=False))
        return cls(folder, subject, key, cert)

    def issue(self, name: str, hosts: tuple[str, ...] = _LOOPBACK, *, expired: bool = False) -> Certificate:
        """Issue a certificate for servers and clients alike, valid for `hosts`; `expired` ended yesterday."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        extensions = [*_leaf(hosts), (issuer, False)]
        return _write(self._folder, name, _sign(_name(name), key, self._name, self._key, extensions, expired), key)

    def self_signed(self, name: str, hosts: tuple[str, ...] = _LOOPBACK) -> Certificate:
        """Make a certificate that this authority knows nothing about, in the same folder."""
        key = ec.generate_private_key(ec.SECP256R1())
        return _write(self._folder, name, _sign(_name(name), key, _name(name), key, _leaf(hosts), expired=False), key)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _key_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(True, False, False, False, not signs, signs, signs, False, False)


def _leaf(hosts: tuple[str, ...]) -> list[tuple[x509.ExtensionType, bool]]:
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    return [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.SubjectAlternativeName([_alternative(host) for host in hosts]), False),
        (x509.ExtendedKeyUsage(usages), False),
        (_key_usage(signs=False), True),
    ]


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _sign(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuer_key: ec.EllipticCurvePrivateKey,
    extensions: list[tuple[x509.ExtensionType, bool]],
    expired: bool,
) -> bytes:
    now = datetime.now(UTC)
    end = now + timedelta(days=-1 if expired else 30)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=2)).not_valid_after(end)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(Encoding.PEM)


def _write(folder: Path, name: str, cert: bytes, key: ec.EllipticCurvePrivateKey) -> Certificate:
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    made = Certificate(folder / f"{name}.pem", folder / f"{name}.key", folder / f"{name}.both.pem")
    made.cert.write_bytes(cert)
    for path, content in ((made.key, secret), (made.both, cert + secret)):
        path.touch(mode=0o600)
        path.write_bytes(content)
    return made
