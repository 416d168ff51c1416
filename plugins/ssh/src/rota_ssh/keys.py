"""Private keys and certificates: read from text, and made ready to log in with."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from rota import TaskFailed
from rota_ssh.endpoint import Credentials

_KINDS: tuple[tuple[Any, type[paramiko.PKey]], ...] = (
    (ed25519.Ed25519PrivateKey, paramiko.Ed25519Key),
    (rsa.RSAPrivateKey, paramiko.RSAKey),
    (ec.EllipticCurvePrivateKey, paramiko.ECDSAKey),
)


def load_keys(credentials: Credentials) -> list[paramiko.PKey]:
    """Return the private keys of `credentials`, each with its certificate where there is one.

    Raises TaskFailed, never to be retried, for what cannot be read or decrypted.
    """
    keys = []
    certificates = _certificates(credentials)
    phrase = credentials.passphrase.get_secret_value().encode() if credentials.passphrase else None
    sources = [("`private_key`", credentials.private_key.get_secret_value())] if credentials.private_key else []
    sources += [(f"the key `{path}`", _read(path)) for path in credentials.key_files]
    for name, text in sources:
        key = _load_key(text, phrase, name)
        for certificate in certificates:
            _attach(key, certificate, alone=len(sources) == 1)
        keys.append(key)
    return keys


def _load_key(text: str, passphrase: bytes | None, name: str) -> paramiko.PKey:
    loaded = _parse(text.strip().replace("\r\n", "\n").encode() + b"\n", passphrase, name)
    for kind, paramiko_kind in _KINDS:
        if isinstance(loaded, kind):
            plain: bytes = loaded.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
            )
            return paramiko_kind.from_private_key(io.StringIO(plain.decode()))
    raise TaskFailed(f"{name} is of a kind that is not supported", retryable=False, hint="use Ed25519, ECDSA or RSA")


def _parse(data: bytes, passphrase: bytes | None, name: str) -> Any:
    load = serialization.load_pem_private_key
    if b"BEGIN OPENSSH PRIVATE KEY" in data:
        load = serialization.load_ssh_private_key
    elif b"PuTTY-User-Key-File" in data:
        raise TaskFailed(
            f"{name} is in PuTTY's format", retryable=False, hint="convert it: `puttygen key -O private-openssh`"
        )
    try:
        return load(data, password=passphrase)
    except TypeError:
        if passphrase is not None:  # it is not encrypted at all
            return _parse(data, None, name)
        raise TaskFailed(f"{name} is encrypted", retryable=False, hint="give its `passphrase`") from None
    except Exception as error:  # noqa: BLE001 - the library raises many kinds, none of which may show the key
        if passphrase is not None and _is_encrypted(data):
            raise TaskFailed(f"the `passphrase` of {name} is wrong", retryable=False) from None
        raise TaskFailed(
            f"{name} is no private key that can be read: {type(error).__name__}", retryable=False
        ) from None


def _is_encrypted(data: bytes) -> bool:
    """Return whether a key that cannot be read asks for a passphrase."""
    load = serialization.load_pem_private_key
    if b"BEGIN OPENSSH PRIVATE KEY" in data:
        load = serialization.load_ssh_private_key
    try:
        load(data, password=None)
    except TypeError:
        return True
    except Exception:  # noqa: BLE001 - whatever else is wrong with it
        return False
    return False


def _certificates(credentials: Credentials) -> list[tuple[str, str]]:
    found = [("`certificate`", credentials.certificate)] if credentials.certificate else []
    return found + [(f"the certificate `{path}`", _read(path)) for path in credentials.certificate_files]


def _attach(key: paramiko.PKey, certificate: tuple[str, str], *, alone: bool) -> None:
    name, text = certificate
    try:
        blob = paramiko.pkey.PublicBlob.from_string(text.strip())
        identity = serialization.load_ssh_public_identity(text.strip().encode())
    except Exception as error:  # noqa: BLE001 - the libraries raise many kinds
        raise TaskFailed(f"{name} cannot be read: {type(error).__name__}", retryable=False) from None
    if not isinstance(identity, serialization.SSHCertificate):
        raise TaskFailed(f"{name} is no certificate but a plain public key", retryable=False)
    ours = key.get_name() + " " + key.get_base64()
    theirs = identity.public_key()
    signed = theirs.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    if signed == ours:
        key.public_blob = blob
    elif alone:
        raise TaskFailed(f"{name} belongs to another private key", retryable=False)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror.lower() if isinstance(error, OSError) and error.strerror else "it is not text"
        raise TaskFailed(f"`{path}` cannot be read: {reason}", retryable=False) from None


def certificate_problem(keys: list[paramiko.PKey], user: str, now: float) -> str:
    """Return why the certificates of `keys` may have been refused, or nothing. `now` is in Unix seconds."""
    for key in keys:
        blob = getattr(key, "public_blob", None)
        if blob is None:
            continue
        certificate = serialization.load_ssh_public_identity(f"{blob.key_type} ".encode() + _b64(blob.key_blob))
        if not isinstance(certificate, serialization.SSHCertificate):
            continue
        if certificate.valid_before <= now:
            return "the certificate has expired"
        if certificate.valid_after > now:
            return "the certificate is not valid yet"
        principals = [name.decode(errors="replace") for name in certificate.valid_principals]
        if principals and user not in principals:
            return f"the certificate is for {', '.join(f'`{name}`' for name in principals[:5])}"
    return ""


def _b64(data: bytes) -> bytes:
    import base64

    return base64.b64encode(data)
