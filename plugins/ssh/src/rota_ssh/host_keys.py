"""Decides whether a host is the one it should be."""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING

from rota import TaskFailed
from rota_ssh.known_hosts import HostKeys, KnownHosts, fingerprint

if TYPE_CHECKING:
    from rota_ssh.endpoint import Endpoint
    from rota_ssh.transport import SshTransport


def prepare(transport: SshTransport, known: HostKeys) -> None:
    """Have the host present a key of a kind that is known, where it has several."""
    transport.prefers_certificates = bool(known.authorities)
    if known.keys:
        transport.prefer_key_kinds([entry.kind for entry in known.keys])


def verify(transport: SshTransport, endpoint: Endpoint, hosts: KnownHosts | None) -> None:
    """Raise TaskFailed, never to be retried, unless the key that the host presented is one to trust.

    `hosts` is None where a fingerprint is pinned.
    """
    policy = endpoint.host_key
    if policy.mode == "accept_any_insecure":
        return
    key = transport.get_remote_server_key()
    blob, kind = key.asbytes(), key.get_name()
    shown = fingerprint(blob)
    if hosts is None:
        if shown not in {pinned.rstrip("=") for pinned in policy.fingerprints}:
            raise _changed(endpoint, f"{kind} {shown}, not the one of `host_key_fingerprint`")
        return
    if hosts.is_revoked(blob):
        raise TaskFailed(f"the key of `{endpoint.address}`, {kind} {shown}, is marked as revoked", retryable=False)
    known = hosts.of(policy.name)
    if any(entry.blob == blob for entry in known.keys) or _is_certified(transport.presented_key, known, endpoint):
        return
    if known.keys:
        raise _changed(endpoint, f"{kind} {shown}, which is not in `known_hosts`")
    raise TaskFailed(
        f"the host key of `{endpoint.address}` is not known: it is {kind} {shown}",
        retryable=False,
        hint=f"if that is right, add a line to `known_hosts`: {policy.name} {kind} {base64.b64encode(blob).decode()}",
    )


def _changed(endpoint: Endpoint, what: str) -> TaskFailed:
    return TaskFailed(
        f"`{endpoint.address}` has another host key than it should: {what}",
        retryable=False,
        hint="somebody may be in the middle, or the machine was set up anew",
    )


def _is_certified(presented: bytes, known: HostKeys, endpoint: Endpoint) -> bool:
    """Return whether the host showed a certificate, valid now and for its name, of an authority that is trusted."""
    if not known.authorities:
        return False
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import serialization

    kind = presented[4 : 4 + int.from_bytes(presented[:4], "big")]
    if not kind.endswith(b"-cert-v01@openssh.com"):
        return False
    certificate = serialization.load_ssh_public_identity(kind + b" " + base64.b64encode(presented))
    if not isinstance(certificate, serialization.SSHCertificate):
        return False
    signer = certificate.signature_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    if base64.b64decode(signer.split()[1]) not in {entry.blob for entry in known.authorities}:
        return False
    try:
        certificate.verify_cert_signature()
    except InvalidSignature:
        return False
    principals = [name.decode(errors="replace").lower() for name in certificate.valid_principals]
    return (
        certificate.type is serialization.SSHCertificateType.HOST
        and certificate.valid_after <= time.time() < certificate.valid_before
        and (not principals or bool({endpoint.host.lower(), endpoint.host_key.name} & set(principals)))
    )
