"""Task types `vault.transit_encrypt`, `vault.transit_decrypt`, `vault.transit_rotate` and `vault.transit_rewrap`."""

from __future__ import annotations

import base64
import binascii
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from rota import Context, TaskFailed
from rota_vault.task import VaultTask

_OUTPUT = ConfigDict(use_attribute_docstrings=True)


class Encrypted(BaseModel):
    """An encrypted text."""

    model_config = _OUTPUT

    ciphertext: str
    """The encrypted text: `vault:v1:…`."""
    key_version: int
    """The version of the key that it was encrypted with."""


class Decrypted(BaseModel):
    """A decrypted text."""

    model_config = _OUTPUT

    plaintext: SecretStr
    """The text."""


class Rotated(BaseModel):
    """A key with a new version."""

    model_config = _OUTPUT

    latest_version: int
    """The version that is used from now on."""


class TransitTask(VaultTask):
    """A task with a key of the transit engine."""

    key_name: str = Field(pattern=r"^[^/?#\s]+$")
    """The name of the key at Vault."""
    mount: str = "transit"
    """Where the engine is mounted."""

    def address(self, operation: str) -> str:
        """Return the path of an operation with the key."""
        return f"{self.mount.strip('/')}/{operation}/{self.key_name}"


class _WithContext(TransitTask):
    derivation_context: SecretStr | None = None
    """What the key is derived with, where it is of that kind."""

    def body(self, **values: Any) -> dict[str, Any]:
        """Return what is sent."""
        if self.derivation_context is None:
            return values
        return {**values, "context": _b64(self.derivation_context.get_secret_value())}


class TransitEncrypt(_WithContext):
    """Encrypt a text with a key that never leaves Vault.

    Example:
        - id: seal
          type: vault.transit_encrypt
          url: https://vault.bank.internal:8200
          token: "{{ secret('vault#token') }}"
          key_name: bank
          plaintext: "{{ inputs.iban }}"
    """

    idempotent: ClassVar[bool] = True

    plaintext: SecretStr
    """The text."""

    def run(self, ctx: Context) -> Encrypted:
        body = self.body(plaintext=_b64(self.plaintext.get_secret_value()))
        return _encrypted(self.ask(ctx, "post", self.address("encrypt"), body)["data"])


class TransitDecrypt(_WithContext):
    """Decrypt a text.

    Example:
        - id: open
          type: vault.transit_decrypt
          url: https://vault.bank.internal:8200
          token: "{{ secret('vault#token') }}"
          key_name: bank
          ciphertext: "{{ outputs.seal.ciphertext }}"
    """

    idempotent: ClassVar[bool] = True

    ciphertext: str
    """The encrypted text: `vault:v1:…`."""

    def run(self, ctx: Context) -> Decrypted:
        found = self.ask(ctx, "post", self.address("decrypt"), self.body(ciphertext=self.ciphertext))
        try:
            text = base64.b64decode(found["data"]["plaintext"]).decode()
        except (UnicodeDecodeError, binascii.Error):
            raise TaskFailed("what was decrypted is not UTF-8 text", retryable=False) from None
        return Decrypted(plaintext=SecretStr(text))


class TransitRotate(TransitTask):
    """Give a key a new version; what was encrypted before can still be decrypted.

    Example:
        - id: rotate
          type: vault.transit_rotate
          url: https://vault.bank.internal:8200
          token: "{{ secret('vault#token') }}"
          key_name: bank
    """

    def run(self, ctx: Context) -> Rotated:
        self.ask(ctx, "post", f"{self.mount.strip('/')}/keys/{self.key_name}/rotate")
        found = self.ask(ctx, "get", self.address("keys"))
        return Rotated(latest_version=found["data"]["latest_version"])


class TransitRewrap(_WithContext):
    """Encrypt an encrypted text anew, with the newest version of its key, without its being seen.

    Example:
        - id: renew
          type: vault.transit_rewrap
          url: https://vault.bank.internal:8200
          token: "{{ secret('vault#token') }}"
          key_name: bank
          ciphertext: "{{ outputs.seal.ciphertext }}"
    """

    idempotent: ClassVar[bool] = True

    ciphertext: str
    """The encrypted text: `vault:v1:…`."""

    def run(self, ctx: Context) -> Encrypted:
        return _encrypted(self.ask(ctx, "post", self.address("rewrap"), self.body(ciphertext=self.ciphertext))["data"])


def _encrypted(data: dict[str, Any]) -> Encrypted:
    version = data.get("key_version") or data["ciphertext"].split(":")[1].lstrip("v")
    return Encrypted(ciphertext=data["ciphertext"], key_version=int(version))


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")
