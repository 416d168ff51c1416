"""Opens obstore stores from the fields of a flow."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rota_objectstore.connection_fields import StoreFields, WritingFields, revealed, trusted
from rota_objectstore.places import Place

if TYPE_CHECKING:
    from obstore.store import ObjectStore

# Few tries within one exchange: a flow's `retry` is what people see and set.
_RETRIES = {"max_retries": 2, "retry_timeout": timedelta(minutes=2)}
# A whole exchange has no limit of its own, since an object may be large: silence has one.
_FOR_EVER = timedelta(days=7)


def open_store(fields: StoreFields, place: Place, writing: WritingFields | None = None) -> ObjectStore:
    """Return the store of `place`; it connects when it is first used. Raises ValueError and OSError."""
    from obstore.store import AzureStore, GCSStore, LocalStore, S3Store

    options = _options(fields, place, writing)
    if place.scheme == "file":
        return LocalStore("/")
    kinds: dict[str, Any] = {"s3": S3Store, "gs": GCSStore, "az": AzureStore}
    store: ObjectStore = kinds[place.scheme](place.bucket, **options)
    return store


def _options(fields: StoreFields, place: Place, writing: WritingFields | None) -> dict[str, Any]:
    if place.scheme == "file":
        if writing is not None and (writing.encryption or writing.storage_class):
            raise ValueError("a local file has neither `encryption` nor `storage_class`")
        return {}
    if place.scheme != "s3" and ((writing is not None and writing.encryption) or fields.customer_key):
        raise ValueError("`encryption` and `customer_key` are for S3 alone")
    client: dict[str, Any] = {
        "connect_timeout": fields.connect_timeout,
        "read_timeout": fields.read_timeout,
        "timeout": _FOR_EVER,
        "allow_http": fields.allow_http,
    }
    if fields.server_certificate == "accept_any_insecure":
        client["allow_invalid_certificates"] = True
    if (certificates := trusted(fields)) is not None:
        client["root_certificate"] = certificates
    kinds = {"s3": lambda: _s3(fields, place, writing), "gs": lambda: _gs(fields), "az": lambda: _az(fields)}
    own = kinds[place.scheme]()
    own = {name: value for name, value in own.items() if value is not None}
    return {**own, "client_options": client, "retry_config": dict(_RETRIES)}


def _s3(fields: StoreFields, place: Place, writing: WritingFields | None) -> dict[str, Any]:
    encryption = writing.encryption if writing is not None else None
    customer_key = revealed(fields.customer_key)
    return {
        "endpoint": _endpoint(fields, place),
        "region": fields.region or "us-east-1",
        "access_key_id": revealed(fields.access_key),
        "secret_access_key": revealed(fields.secret_key),
        "session_token": revealed(fields.session_token),
        "skip_signature": fields.anonymous or None,
        "virtual_hosted_style_request": not fields.path_style,
        "server_side_encryption": "sse-c" if customer_key else encryption,
        "sse_kms_key_id": writing.kms_key if writing is not None else None,
        "sse_customer_key_base64": customer_key,
    }


def _endpoint(fields: StoreFields, place: Place) -> str | None:
    """Return the address; where the bucket stands before the host name, obstore wants it there already."""
    if fields.endpoint is None or fields.path_style:
        return fields.endpoint
    address = urlsplit(fields.endpoint)
    return address._replace(netloc=f"{place.bucket}.{address.netloc}").geturl()


def _gs(fields: StoreFields) -> dict[str, Any]:
    return {
        "base_url": fields.endpoint,
        "service_account_key": revealed(fields.service_account),
        "skip_signature": fields.anonymous or None,
    }


def _az(fields: StoreFields) -> dict[str, Any]:
    return {
        "endpoint": fields.endpoint,
        "account_name": fields.account,
        "account_key": revealed(fields.secret_key),
        "sas_key": revealed(fields.session_token),
        "skip_signature": fields.anonymous or None,
    }
