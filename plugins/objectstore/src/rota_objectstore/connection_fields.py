"""The fields that lead to an object store; every type of the plugin has them."""

from __future__ import annotations

import base64
from collections.abc import Hashable
from datetime import timedelta
from operator import attrgetter
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from rota import Duration


class StoreFields(BaseModel):
    """Where the store is, who asks, how it proves who it is, and how long to wait."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    endpoint: str | None = Field(default=None, pattern=r"^https?://[^/@\s]+(/[^@\s]*)?$")
    """The address of the store: `https://s3.bank.internal`. Default: that of the cloud provider."""
    region: str | None = Field(default=None, min_length=1)
    """The region of the bucket (S3). Default: `us-east-1`."""
    access_key: SecretStr | None = None
    """The access key's id (S3). Without it, and without the like of it, Rota's own environment is asked: variables,
    the machine's role, the workload's identity."""
    secret_key: SecretStr | None = None
    """The secret that belongs to `access_key` (S3), or the key of the storage account (Azure)."""
    session_token: SecretStr | None = None
    """The token that comes with temporary keys (S3), or a shared access signature (Azure)."""
    account: str | None = Field(default=None, min_length=1)
    """The storage account (Azure)."""
    service_account: SecretStr | None = None
    """The key of a service account, as the JSON that Google gives (Google Cloud Storage)."""
    anonymous: bool = False
    """Ask without any login, for public buckets."""
    customer_key: SecretStr | None = None
    """Your own key for encryption on the server (S3): 256 bits in base64. The server needs it for every read, too."""
    path_style: bool = True
    """Whether the bucket stands in the path of the address; `false` puts it before the host name."""
    allow_http: bool = False
    """Talk without encryption: whoever listens on the way reads, and may change, everything."""
    server_certificate: Literal["verify", "accept_any_insecure"] = "verify"
    """`accept_any_insecure` talks to whoever answers: somebody in the middle can read and change everything."""
    ca: str | None = Field(default=None, min_length=1)
    """Certificates to trust besides the system's, as text in PEM."""
    ca_file: Path | None = None
    """Certificates to trust besides the system's: a file in PEM where Rota runs."""
    connect_timeout: Duration = timedelta(seconds=10)
    """How long connecting may take."""
    read_timeout: Duration = timedelta(seconds=60)
    """How long the server may be silent in the middle of an exchange."""

    @model_validator(mode="after")
    def _is_clear(self) -> StoreFields:
        if self.endpoint and self.endpoint.startswith("http://") and not self.allow_http:
            raise ValueError("`endpoint` is not encrypted: write `https://`, or set `allow_http: true` to accept that")
        if (self.access_key is None) != (self.secret_key is None) and self.account is None:
            raise ValueError("`access_key` and `secret_key` belong together")
        if self.ca is not None and self.ca_file is not None:
            raise ValueError("either `ca` or `ca_file`, not both")
        if self.customer_key is not None and not _is_key(self.customer_key.get_secret_value()):
            raise ValueError("`customer_key` must be 256 bits in base64: `openssl rand -base64 32` makes one")
        if self.anonymous and (self.access_key or self.secret_key or self.service_account or self.session_token):
            raise ValueError("`anonymous` asks without keys: leave them out")
        return self


class WritingFields(BaseModel):
    """How objects are to be kept by the store."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    storage_class: str | None = Field(default=None, min_length=1)
    """The class to keep it in, as the store calls it: `STANDARD_IA`, `NEARLINE`, `Cool`."""
    encryption: Literal["AES256", "aws:kms", "aws:kms:dsse", "sse-c"] | None = None
    """How the server encrypts it (S3); `sse-c` takes `customer_key`. Default: as the bucket says."""
    kms_key: str | None = Field(default=None, min_length=1)
    """The key of the key management service for `aws:kms` (S3)."""

    @model_validator(mode="after")
    def _encryption_is_clear(self) -> WritingFields:
        if self.kms_key and self.encryption not in {"aws:kms", "aws:kms:dsse"}:
            raise ValueError("`kms_key` needs `encryption: aws:kms`")
        customer_key = getattr(self, "customer_key", None)
        if self.encryption == "sse-c" and customer_key is None:
            raise ValueError("`encryption: sse-c` needs `customer_key`")
        if self.encryption not in {None, "sse-c"} and customer_key is not None:
            raise ValueError("either `customer_key` or a key of the server's, not both")
        return self


_CONNECTION, _WRITING = attrgetter(*StoreFields.model_fields), attrgetter(*WritingFields.model_fields)


def client_key(fields: StoreFields, writing: WritingFields | None = None) -> Hashable:
    """Return what two tasks must have in common to share a client: all that these fields say."""
    return _CONNECTION(fields), None if writing is None else _WRITING(writing)


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == 32
    except ValueError:
        return False


def revealed(value: str | SecretStr | None) -> str | None:
    """Return the text of what may be a secret."""
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def trusted(fields: StoreFields) -> bytes | None:
    """Return the certificates to trust besides the system's. Raises OSError."""
    if fields.ca is not None:
        return fields.ca.encode()
    return None if fields.ca_file is None else fields.ca_file.read_bytes()
