"""Task type `objectstore.presign`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import ClassVar, Literal

from pydantic import BaseModel, SecretStr, field_validator, model_validator

from rota import Context, Duration, Task, TaskFailed
from rota_objectstore.connection_fields import StoreFields
from rota_objectstore.places import ObjectUri, parse_uri


class Presigned(BaseModel):
    """An address that needs no login."""

    url: SecretStr
    """The address: who has it, has the object. It is a secret."""
    expires_at: datetime
    """Until when it is good."""


class Presign(StoreFields, Task):
    """Make an address by which somebody without a login may read, write or delete one object for a while.

    Nothing is asked of the store: whether the object is there, and whether the keys are good, shows when it is used.

    Example:
        - id: link
          type: objectstore.presign
          uri: s3://reports/2026-01.html
          expires: 2d
          endpoint: https://s3.bank.internal
          access_key: "{{ secret('s3/reports#access_key') }}"
          secret_key: "{{ secret('s3/reports#secret_key') }}"
    """

    idempotent: ClassVar[bool] = True

    uri: ObjectUri
    """The object."""
    method: Literal["GET", "PUT", "DELETE", "HEAD"] = "GET"
    """What the address is good for."""
    expires: Duration = timedelta(hours=1)
    """For how long: seven days at most."""

    @field_validator("expires")
    @classmethod
    def _is_not_too_long(cls, expires: timedelta) -> timedelta:
        if not timedelta(seconds=1) <= expires <= timedelta(days=7):
            raise ValueError("an address is good for a second at least and seven days at most")
        return expires

    @model_validator(mode="after")
    def _can_be_signed(self) -> Presign:
        if parse_uri(self.uri).scheme == "file":
            raise ValueError("a local file has no address to sign")
        if self.anonymous:
            raise ValueError("an address is signed with keys: leave `anonymous` out")
        return self

    def run(self, ctx: Context) -> Presigned:
        import obstore

        from rota_objectstore.failures import in_words
        from rota_objectstore.session import Session, store_at

        place = parse_uri(self.uri)
        with Session(ctx) as session, in_words(self, place, "presign"), store_at(ctx, self, place) as store:
            end = datetime.now(UTC) + self.expires
            url: str = session.call(
                lambda: obstore.sign_async(store, self.method, place.key, self.expires)  # type: ignore[arg-type]
            )
        if not url:
            raise TaskFailed(f"the store signed nothing for `{self.uri}`")
        return Presigned(url=SecretStr(url), expires_at=end)
