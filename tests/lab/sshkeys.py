"""SSH key pairs as files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)


@dataclass(frozen=True)
class KeyPair:
    """An Ed25519 key: the file `private` in OpenSSH's format, and its `.pub` beside it."""

    private: Path

    @classmethod
    def generate(cls, private: Path, passphrase: str | None = None) -> Self:
        """Make a key and write it to `private` (mode 0600) and `private`.pub, over what is there."""
        key = Ed25519PrivateKey.generate()
        lock: KeySerializationEncryption = NoEncryption()
        if passphrase is not None:
            lock = BestAvailableEncryption(passphrase.encode())
        private.touch(mode=0o600)
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, lock))
        line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        private.with_name(private.name + ".pub").write_bytes(line + b"\n")
        return cls(private)

    @property
    def public(self) -> str:
        """The public key, as a line of `authorized_keys` without options or comment."""
        return self.private.with_name(self.private.name + ".pub").read_text().strip()


def written_whole(path: Path, text: str) -> Path:
    """Write a file so that whoever reads it meanwhile, in another thread or process, sees all of it; return its path."""
    with NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
        file.write(text)
    return Path(file.name).replace(path)
