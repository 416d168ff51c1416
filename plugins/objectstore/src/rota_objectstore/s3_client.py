"""A boto3 client of S3, for the few things that obstore does not know."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from rota import Context
from rota_objectstore.connection_fields import StoreFields, WritingFields, client_key, revealed


@dataclass(slots=True)
class _Held:
    """A client, and the file with the certificates that it trusts."""

    client: Any
    certificates: IO[bytes] | None

    def close(self) -> None:
        self.client.close()
        if self.certificates is not None:
            self.certificates.close()


@contextmanager
def s3_client(ctx: Context, fields: StoreFields) -> Iterator[Any]:
    """Lend a boto3 client. Raises OSError for certificates that cannot be read."""
    key = ("objectstore boto3", client_key(fields))
    with ctx.client(key, lambda: _open(fields), _Held.close, shared=True) as held:
        yield held.client


def encryption_of(fields: StoreFields, writing: WritingFields | None) -> dict[str, Any]:
    """Return the arguments of boto3 that say how an object is to be encrypted."""
    if fields.customer_key is not None:
        return customer_key_of(fields)
    if writing is None or writing.encryption is None:
        return {}
    key = {"SSEKMSKeyId": writing.kms_key} if writing.kms_key else {}
    return {"ServerSideEncryption": writing.encryption, **key}


def customer_key_of(fields: StoreFields, prefix: str = "") -> dict[str, Any]:
    """Return the arguments of boto3 for one's own key; boto3 encodes it itself."""
    import base64

    key = base64.b64decode(revealed(fields.customer_key) or "")
    return {f"{prefix}SSECustomerAlgorithm": "AES256", f"{prefix}SSECustomerKey": key} if key else {}


def _open(fields: StoreFields) -> _Held:
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    certificates = _certificates(fields)
    verify: Any = certificates.name if certificates is not None else True
    config = Config(
        connect_timeout=fields.connect_timeout.total_seconds(),
        read_timeout=fields.read_timeout.total_seconds(),
        retries={"total_max_attempts": 3, "mode": "standard"},
        s3={"addressing_style": "path" if fields.path_style else "virtual"},
        max_pool_connections=16,
        **({"signature_version": UNSIGNED} if fields.anonymous else {}),
    )
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=fields.endpoint,
        region_name=fields.region or "us-east-1",
        aws_access_key_id=revealed(fields.access_key),
        aws_secret_access_key=revealed(fields.secret_key),
        aws_session_token=revealed(fields.session_token),
        verify=False if fields.server_certificate == "accept_any_insecure" else verify,
        config=config,
    )
    return _Held(client, certificates)


def _certificates(fields: StoreFields) -> IO[bytes] | None:
    """Return a file with the system's certificates and those of the flow: boto3 takes one file and nothing else."""
    import ssl
    from pathlib import Path

    from rota_objectstore.connection_fields import trusted

    own = trusted(fields)
    if own is None:
        return None
    system = ssl.get_default_verify_paths().cafile
    file = tempfile.NamedTemporaryFile(prefix="rota-ca-", suffix=".pem")  # noqa: SIM115 - it lives with the client
    file.write((Path(system).read_bytes() + b"\n" if system else b"") + own)
    file.flush()
    return file
