"""The keyring: encrypts secret values in the database with the keys of `secret_key_file`, the first of which is new."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rota.errors import SecretError, SettingsError
from rota.store.columns import dumps, loads

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

SECRET = "$secret"  # noqa: S105 - the name of a key
"""An encrypted value inside JSON is `{"$secret": token}`."""


class Keyring:
    """Encrypts and decrypts JSON values."""

    def __init__(self, path: Path) -> None:
        """Take the keys from `path` when they are first needed."""
        self.path = path
        self._fernet: MultiFernet | None = None

    def __repr__(self) -> str:
        return f"Keyring({str(self.path)!r})"

    def encrypt(self, value: Any) -> str:
        """Return the ciphertext of a JSON value, as text. Raises SettingsError."""
        return self._keys().encrypt(dumps(value).encode()).decode()

    def decrypt(self, token: str) -> Any:
        """Return the value of a ciphertext. Raises SecretError where no key of the file fits."""
        from cryptography.fernet import InvalidToken

        try:
            return loads(self._keys().decrypt(token.encode()).decode())
        except InvalidToken:
            hint = "put the key back that it was encrypted with, as a further line"
            raise SecretError(f"no key in `{self.path}` decrypts this value", hint=hint) from None

    def rotate(self, token: str) -> str:
        """Return the same value encrypted with the newest key. Raises SecretError."""
        from cryptography.fernet import InvalidToken

        try:
            return self._keys().rotate(token.encode()).decode()
        except InvalidToken:
            hint = "put the key back that it was encrypted with, as a further line"
            raise SecretError(f"no key in `{self.path}` decrypts this value", hint=hint) from None

    def add_key(self) -> None:
        """Put a new key before the others; what they encrypted can still be read. The file has mode 0600."""
        from cryptography.fernet import Fernet

        keys = self.path.read_text() if self.path.exists() else ""
        _write(self.path, f"{Fernet.generate_key().decode()}\n{keys}")
        self._fernet = None

    def drop_old_keys(self) -> None:
        """Keep the newest key alone, after everything was encrypted with it."""
        _write(self.path, self.path.read_text().split()[0] + "\n")
        self._fernet = None

    def _keys(self) -> MultiFernet:
        if self._fernet is None:
            from cryptography.fernet import Fernet, MultiFernet

            try:
                lines = self.path.read_text().split()
                self._fernet = MultiFernet([Fernet(line) for line in lines])
            except FileNotFoundError:
                raise SettingsError(f"there is no secret key at `{self.path}`", hint="`rota init` makes one") from None
            except (OSError, ValueError) as error:
                hint = "look at the setting `secret_key_file`"
                raise SettingsError(f"`{self.path}` holds no usable key: {error}", hint=hint) from None
        return self._fernet


def create(path: Path) -> Keyring:
    """Make a key file with mode 0600 unless there is one, and return its keyring."""
    keyring = Keyring(path)
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        keyring.add_key()
    return keyring


def _write(path: Path, text: str) -> None:
    new = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
